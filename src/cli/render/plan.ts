/** A plan as a person reviews it before anything is sent. Text that came from rows is made printable here. */

import { isApproved } from '../../plan/approval.ts'
import type { PeopleSummary } from '../../plan/identity/people-summary.ts'
import type { Decision, Operation, Plan, Sample } from '../../plan/plan.ts'
import { decisions, operations } from '../../plan/plan.ts'
import type { Json } from '../../project/project.ts'
import { byteSize } from '../../warehouse/billing.ts'
import type { Colors } from '../terminal.ts'
import { counted, duration, grouped, printable, shorten } from './text.ts'

/** Terraform's: added, changed, removed. */
export const symbols: Readonly<Record<Operation, string>> = { enter: '+', change: '~', leave: '-' }

const label = (text: string) => text.padEnd(9)

export function renderPlan(plan: Plan, colors: Colors): string {
  const title = `${colors.bold(printable(plan.sync))}  ${plan.model} → ${plan.destination}.${plan.action}, ${plan.mode}`
  return [
    title,
    `  ${label('rows')} ${rowsLine(plan)}`,
    ...operations.filter(op => plan.changes[op] > 0).map(op => `  ${operationLine(op, plan, colors)}`),
    ...decisions
      .filter(decision => plan.decisions[decision] > 0)
      .map(decision => `  ${label(decision)} ${grouped(plan.decisions[decision])}`),
    ...reasonLines(plan.reasons),
    ...(changesOf(plan) === 0 ? [`  ${label('changes')} none`] : []),
    ...(plan.requests > 0 ? [`  ${label('requests')} ${requestsLine(plan)}`] : []),
    ...costLines(plan),
    ...guardLines(plan, colors),
    ...approvalLines(plan, colors),
    ...plan.warnings.map(warning => `  ${colors.yellow(label('warning'))} ${printable(warning)}`),
    ...plan.samples.flatMap(sample => sampleLines(sample, colors)),
    ...plan.ineligible.map(
      ({ key, reason }) => `  ${colors.dim(`· ${printable(key)}`)}  may not take part, ${printable(reason)}`,
    ),
  ].join('\n')
}

export function changesOf(plan: Plan): number {
  return plan.changes.enter + plan.changes.change + plan.changes.leave
}

function rowsLine({ rows }: Plan): string {
  const parts = (['quarantined', 'ineligible'] as const)
    .filter(part => rows[part] > 0)
    .map(part => `${grouped(rows[part])} ${part}`)
  return [
    `${grouped(rows.model)} in the model`,
    ...parts,
    `${grouped(rows.population)} in the population`,
    `${grouped(rows.unchanged)} unchanged`,
  ].join(', ')
}

function requestsLine(plan: Plan): string {
  const count = grouped(plan.requests)
  return plan.seconds_at_limit > 0 ? `${count}, ${duration(plan.seconds_at_limit * 1000)} at the rate limit` : count
}

function costLines({ cost }: Plan): readonly string[] {
  if (cost === undefined) return []
  const { bytes, plan_bytes: planned, settle_bytes: settled, usd, usd_per_tib: rate } = cost
  const money = usd < 0.01 ? 'less than $0.01' : `about $${usd.toFixed(2)}`
  const parts = `${byteSize(planned)} to plan, ${byteSize(settled)} to settle`
  return [`  ${label('bills')} ${byteSize(bytes)} a night, ${money} at $${rate} a TiB: ${parts}`]
}

function operationLine(op: Operation, { changes, leavers_to: to }: Plan, colors: Colors): string {
  const where = op === 'leave' && to !== undefined ? `, those that are sent to ${to}` : ''
  return `${paintOperation(op, colors)(`${symbols[op]} ${op}`.padEnd(9))} ${grouped(changes[op])}${where}`
}

export function paintOperation(op: Operation, colors: Colors): (text: string) => string {
  return { enter: colors.green, change: colors.yellow, leave: colors.red }[op]
}

/** Most frequent first. */
function reasonLines(reasons: Plan['reasons']): readonly string[] {
  return Object.entries(reasons)
    .sort(([left, a], [right, b]) => b - a || (left < right ? -1 : 1))
    .map(([reason, count], index) => `  ${label(index === 0 ? 'because' : '')} ${grouped(count)} ${printable(reason)}`)
}

function guardLines(plan: Plan, colors: Colors): readonly string[] {
  const { guard, approval } = plan
  if (guard.verdict === 'pass') return [`  ${label('guard')} ${colors.green('pass')}`]
  const unless = approval.needed ? 'an approval' : '--yes or an approval'
  const effect = isApproved(plan) ? 'but the plan is approved' : `nothing would be sent without ${unless}`
  return [
    `  ${label('guard')} ${colors.red('hold')}: ${effect}`,
    ...guard.reasons.map(reason => `  ${label('')} ${printable(reason)}`),
  ]
}

function approvalLines({ approval, plan_hash }: Plan, colors: Colors): readonly string[] {
  const { needed, because = '', by, at } = approval
  if (by !== undefined) return [`  ${label('approval')} ${colors.green('given')} by ${printable(by)}, ${at}`]
  if (!needed) return []
  return [
    `  ${label('approval')} ${colors.red('needed')}: ${printable(because)}`,
    `  ${label('')} the plan is ${plan_hash}`,
  ]
}

/** Whether a run would send nothing until somebody says otherwise. */
export function isHeld(plan: Plan): boolean {
  return !isApproved(plan) && (plan.approval.needed || plan.guard.verdict === 'hold')
}

/** `3 changes: 1 enter, 2 leave`. */
export function changesLine(plan: Plan): string {
  const parts = operations.filter(op => plan.changes[op] > 0).map(op => `${grouped(plan.changes[op])} ${op}`)
  return `${counted(changesOf(plan), 'change')}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`
}

function sampleLines(sample: Sample, colors: Colors): readonly string[] {
  const why = sample.reason === undefined || sample.reason === '' ? '' : `, ${sample.reason}`
  const paint = paintOperation(sample.op, colors)
  const fields = changedFields(sample)
  const width = Math.max(0, ...fields.map(field => field.name.length))
  return [
    `  ${paint(`${symbols[sample.op]} ${printable(sample.key)}`)}  ${sample.decision}${printable(why)}`,
    ...fields.map(field => `      ${printable(field.name).padEnd(width)}  ${field.shown}`),
  ]
}

function changedFields({ op, before, after }: Sample): readonly { readonly name: string; readonly shown: string }[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  return names.flatMap(name => {
    const was = before?.[name]
    const is = after?.[name]
    if (op === 'enter' || before === null) return [{ name, shown: showValue(is) }]
    if (op === 'leave' || after === null) return [{ name, shown: showValue(was) }]
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ name, shown: `${showValue(was)} → ${showValue(is)}` }]
  })
}

function showValue(value: Json | undefined): string {
  return value === undefined ? '(absent)' : shorten(printable(JSON.stringify(value)), 60)
}

/** What became of the links between identifiers; a merge or a split since the last run is worth a word. */
export function renderPeople(people: PeopleSummary): string {
  const { records, people: persons, clusters, matchRate, merges, splits } = people
  const share = matchRate === undefined ? '' : `, ${Math.floor(matchRate * 1000) / 10}% of identifiers lead to one`
  const since = [...(merges > 0 ? [counted(merges, 'merge')] : []), ...(splits > 0 ? [counted(splits, 'split')] : [])]
  const news = since.length === 0 ? '' : `; ${since.join(' and ')} since the last run`
  return `People: ${counted(records, 'linked record')} are ${grouped(persons)}, ${grouped(clusters)} of them of several records${share}${news}.`
}

/** The last line of `dry-run`: what all plans together would do. */
export function summarisePlans(plans: readonly Plan[]): string {
  const sum = (decision: Decision) => plans.reduce((total, plan) => total + plan.decisions[decision], 0)
  const waiting = plans.filter(plan => !isApproved(plan) && plan.approval.needed).length
  const held = plans.filter(isHeld).length - waiting
  const parts = [`${counted(sum('send'), 'change')} to send`]
  for (const decision of decisions)
    if (decision !== 'send' && sum(decision) > 0) parts.push(`${grouped(sum(decision))} ${decision}`)
  if (held > 0) parts.push(`${counted(held, 'sync', 'syncs')} held by a guard`)
  if (waiting > 0) parts.push(`${counted(waiting, 'sync', 'syncs')} awaiting approval`)
  return `${counted(plans.length, 'plan')}: ${parts.join(', ')}. Nothing was sent.`
}
