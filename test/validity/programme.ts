/**
 * A programme with lifts that are known, run night after night through the real tool and looked at again and again: planning, the draw, delivery to
 * files, exposures, outcomes in the warehouse, the report. What people do depends on what arrived, which is read from the files; the tool's
 * own records are never asked.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readReport } from '../../src/cli/measure.ts'
import type { ExperimentEntry } from '../../src/report/report.ts'
import { normalUpper } from '../../src/report/stats/distributions.ts'
import { runSyncs } from '../../src/run.ts'
import { makeProject, runOptions, withProject } from '../e2e/project.ts'
import { normal, seeded } from './chance.ts'

const day = 86_400_000
const start = Date.parse('2026-03-02T02:00:00Z')
/** Share of people who have the outcome without any message. */
export const baseline = 0.3
const windowDays = 2
/** What an order is worth: log-normal, cut in the outcome where one in a hundred is larger. */
const sigma = 0.8
const cap = Math.round(Math.exp(sigma * 2.3263) * 100) / 100
/** Whoever got a message of a programme with a lift also spends more (or less) on each order, by as many per cent as the lift has points twice. */
const spendFactor = (lift: number) => 1 + 2 * lift

export interface Plan {
  readonly seed: number
  /** One sync for each: added to the chance of whoever got the message. */
  readonly lifts: readonly number[]
  readonly nights: number
  /** People who become due each night, and how many nights lie between two looks. */
  readonly perNight: number
  readonly lookEvery: number
}

/** What one sync came to. */
export interface Life {
  readonly lift: number
  readonly looks: number
  /** At some look the interval did not hold the truth, or a verdict was given that is wrong. */
  readonly missed: boolean
  readonly missedRelative: boolean
  /** The same of what people spend, and of what they spend per order. */
  readonly missedRevenue: boolean
  readonly missedQuotient: boolean
  /** A look that decided was followed by one that did not, or did otherwise. */
  readonly takenBack: boolean
  /** keep or stop, at any look while it ran. */
  readonly decided: 'better' | 'worse' | undefined
  /** After its end, at the one look that was planned. */
  readonly missedAtEnd: boolean
  readonly missedRevenueAtEnd: boolean
  readonly missedQuotientAtEnd: boolean
  readonly decidedAtEnd: 'better' | 'worse' | undefined
  /** A check that spoke up although nothing was wrong. */
  readonly falseAlarms: readonly string[]
}

function filesOf({ lifts, perNight, seed, nights }: Plan): Readonly<Record<string, string>> {
  const end = new Date(start + nights * day).toISOString().slice(0, 10)
  const each = lifts.map((_, index) => {
    const name = `s${index}`
    return {
      [`syncs/${name}.yml`]: `
model: people
destination: ${name}
action: write
mode: trigger
trigger: { on: enter, reentry: never, first_run: send }
fields: { to: customer_id }
channel: email
purpose: renewals
holdout: { share: 30%, epoch: "1", salt: seed-${seed}-${name}, expires: "${end}" }
`,
      [`models/renewals_${name}.sql`]: `select customer_id, renewed_at, amount from {{source "${name}"}}`,
      [`outcomes/renewed_${name}.yml`]: `model: renewals_${name}\nunit: customer_id\nat: renewed_at\nwindow: ${windowDays}d\nplanned_units: ${nights * perNight}\nsyncs: { ${name}: primary }\n`,
      [`outcomes/spent_${name}.yml`]: `model: renewals_${name}\nunit: customer_id\nat: renewed_at\nvalue: amount\ncap: ${cap}\nwindow: ${windowDays}d\nplanned_units: ${nights * perNight}\nsyncs: { ${name}: secondary }\n`,
      [`outcomes/each_${name}.yml`]: `model: renewals_${name}\nunit: customer_id\nat: renewed_at\nvalue: amount\nper: event\nwindow: ${windowDays}d\nplanned_units: ${nights * perNight}\nsyncs: { ${name}: secondary }\n`,
      [`data/${name}.csv`]: 'customer_id,renewed_at,amount\n',
    }
  })
  const names = lifts.map((_, index) => `s${index}`)
  return Object.assign(
    {
      'activate.yml': `
name: validity
warehouse: { type: duckdb, path: state.duckdb, threads: 1 }
sources:
${names.map(name => `  ${name}: { csv: data/${name}.csv, columns: { customer_id: { type: string }, renewed_at: { type: timestamp }, amount: { type: number } } }`).join('\n')}
destinations:
${names.map(name => `  ${name}: { type: file, path: out/${name}, format: csv }`).join('\n')}
`,
      'models/people.sql': `/*---
key: customer_id
---*/
select 'C' || cast(i as varchar) as customer_id from range(0, ${nights * perNight}) t(i)
where i < (date_diff('day', date '2026-03-02', {{run_date}}) + 1) * ${perNight}`,
    },
    ...each,
  ) as Readonly<Record<string, string>>
}

/** Lives the whole programme; `onNight` is told after each night. */
export async function liveProgramme(
  plan: Plan,
  onNight: (night: number) => void = () => undefined,
): Promise<readonly Life[]> {
  const project = await makeProject(filesOf(plan))
  const random = seeded(plan.seed)
  const told = plan.lifts.map(() => new Set<string>())
  const lines = plan.lifts.map(() => [] as string[])
  const looks: (readonly ExperimentEntry[])[] = []
  const look = (asOf: number) =>
    withProject(project, async wired => (await readReport(wired, asOf, undefined)).experiments)
  try {
    for (let night = 0; night < plan.nights; night++) {
      const asOf = start + night * day
      const { runs } = await withProject(project, wired =>
        runSyncs(wired, wired.project.syncs, runOptions(new Date(asOf).toISOString(), { yes: true })),
      )
      const failed = runs.find(({ status }) => status !== 'succeeded')
      if (failed !== undefined)
        throw new Error(`${failed.run_id} is ${failed.status}: ${JSON.stringify(failed.problems)}`)
      for (const [index, lift] of plan.lifts.entries()) {
        const reached = await receivedBy(join(project.root, 'out', `s${index}`))
        const known = told[index] ?? new Set()
        for (let person = night * plan.perNight; person < (night + 1) * plan.perNight; person++) {
          const key = `C${person}`
          if (known.has(key)) throw new Error(`${key} was sent to before they were due`)
          const chance = baseline + (reached.has(key) ? lift : 0)
          if (random() >= chance) continue
          const at = new Date(asOf + 1 + random() * windowDays * (day - 1000)).toISOString().slice(0, 19)
          const factor = reached.has(key) ? spendFactor(lift) : 1
          const amount = factor * Math.exp(sigma * normal(random))
          lines[index]?.push(`${key},${at.replace('T', ' ')},${amount}`)
        }
        for (const key of reached) known.add(key)
        await project.write({
          [`data/s${index}.csv`]: `customer_id,renewed_at,amount\n${(lines[index] ?? []).join('\n')}\n`,
        })
      }
      if (night >= windowDays && (night + 1) % plan.lookEvery === 0) looks.push(await look(asOf + 3_600_000))
      onNight(night)
    }
    const ended = await look(start + (plan.nights + windowDays + 1) * day)
    return plan.lifts.map((lift, index) => judge(lift, `s${index}`, looks, ended))
  } finally {
    await project.remove()
  }
}

/** Keys in the files of a destination. */
async function receivedBy(folder: string): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (const file of await readdir(folder)) {
    const text = await readFile(join(folder, file), 'utf8')
    for (const key of text.match(/\bC\d+\b/g) ?? []) keys.add(key)
  }
  return keys
}

function judge(
  lift: number,
  sync: string,
  looks: readonly (readonly ExperimentEntry[])[],
  ended: readonly ExperimentEntry[],
): Life {
  const seen = looks.flatMap(entries => entries.find(each => each.sync === sync) ?? [])
  const last = ended.find(each => each.sync === sync)
  if (last === undefined || seen.length !== looks.length) throw new Error(`${sync} is not in the report`)
  const boundary = last.outcomes.find(({ role }) => role === 'primary')
  if (boundary?.boundary !== 'fixed') throw new Error('the last look is not that of an experiment that has ended')
  const sides = seen.flatMap(entry => sideOf(entry) ?? [])
  const first = seen.findIndex(entry => sideOf(entry) !== undefined)
  const orders = { with: baseline + lift, without: baseline }
  const factor = spendFactor(lift)
  const truths = {
    renewed: { absolute: lift, relative: lift / baseline },
    spent: truthOf(orders.with * cutMean(factor), orders.without * cutMean(1)),
    each: truthOf(factor * Math.exp(sigma ** 2 / 2), Math.exp(sigma ** 2 / 2)),
  }
  const missed = (entry: ExperimentEntry, outcome: keyof typeof truths) =>
    (['absolute', 'relative'] as const).some(kind => misses(entry, `${outcome}_${sync}`, truths[outcome][kind], kind))
  return {
    ...{ lift, looks: seen.length },
    missed: seen.some(entry => misses(entry, `renewed_${sync}`, lift, 'absolute')),
    missedRelative: seen.some(entry => misses(entry, `renewed_${sync}`, lift / baseline, 'relative')),
    missedRevenue: seen.some(entry => missed(entry, 'spent')),
    missedQuotient: seen.some(entry => missed(entry, 'each')),
    takenBack: first >= 0 && [...seen.slice(first), last].some(entry => sideOf(entry) !== sides[0]),
    decided: sides[0],
    missedAtEnd: misses(last, `renewed_${sync}`, lift, 'absolute'),
    missedRevenueAtEnd: misses(last, `spent_${sync}`, truths.spent.absolute, 'absolute'),
    missedQuotientAtEnd: misses(last, `each_${sync}`, truths.each.absolute, 'absolute'),
    decidedAtEnd: sideOf(last),
    falseAlarms: [...seen, last].flatMap(({ checks }) =>
      checks.findings.filter(({ check }) => check !== 'epoch').map(({ text }) => text),
    ),
  }
}

/** The mean of an order of such a factor, cut. */
function cutMean(factor: number): number {
  const z = (Math.log(cap) - Math.log(factor)) / sigma
  return factor * Math.exp(sigma ** 2 / 2) * (1 - normalUpper(z - sigma)) + cap * normalUpper(z)
}

function truthOf(treated: number, withheld: number) {
  return { absolute: treated - withheld, relative: treated / withheld - 1 }
}

function misses(entry: ExperimentEntry, outcome: string, truth: number, kind: 'absolute' | 'relative'): boolean {
  const lift = entry.outcomes.find(each => each.outcome === outcome)?.comparisons[0]?.lift
  if (lift === undefined) throw new Error(`${outcome} is not in the report`)
  if (lift.kind !== 'estimated') return false
  const effect = kind === 'absolute' ? lift.absolute : lift.relative
  if (!('lower' in effect)) return false
  return (effect.lower ?? Number.NEGATIVE_INFINITY) > truth || (effect.upper ?? Number.POSITIVE_INFINITY) < truth
}

function sideOf({ verdicts }: ExperimentEntry): 'better' | 'worse' | undefined {
  const advice = verdicts[0]?.advice
  if (advice === 'unreliable') throw new Error(`unreliable: ${verdicts[0]?.text}`)
  return advice === 'keep' ? 'better' : advice === 'stop' ? 'worse' : undefined
}
