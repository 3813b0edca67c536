/**
 * How well the machinery worked, per sync and over all: from the ledger's runs and the tables of the state. A figure that cannot be known
 * is null, and `unknown` says why; it is never 0 or a quotient by 0. Pure.
 */
import type { Run } from '../../ledger/ledger.ts'
import type { Plan } from '../../plan/plan.ts'
import type { Row } from '../../warehouse/warehouse.ts'
import { quantiles, type Spread } from './spread.ts'

/** Over how long a time runs, sends and errors are counted, in milliseconds. */
export const healthPeriod = 30 * 86_400_000

/** Reasons by which a change is skipped or blocked because it would say the same twice. */
const duplicates: ReadonlySet<string> = new Set([
  ...['duplicate.person', 'duplicate.address', 'unresolved.duplicate', 'reentry.recent'],
])

export interface HealthEntry {
  /** Null for all syncs together. */
  readonly sync: string | null
  readonly runs: { readonly total: number; readonly succeeded: number; readonly held: number; readonly failed: number }
  /** Of the last plan: rows of the model, and of them those that may take part. */
  readonly model_rows: number | null
  readonly eligible: number | null
  readonly eligible_share: number | null
  /** Rows of the last plan that consent or a suppression list keeps out. */
  readonly suppressed: number | null
  readonly suppressed_share: number | null
  /** Rows that keep the contract, of all rows of the model at the last plan. */
  readonly contract_compliance: number | null
  /** Changes of the period that were not sent, or not again, because the person had it already. */
  readonly duplicates_prevented: number | null
  readonly sends: {
    readonly planned: number
    readonly acked: number
    readonly rejected: number
    readonly parked: number
    readonly pending: number
  }
  /** Acknowledged, of all that were planned to be sent. */
  readonly ack_rate: number | null
  /** Refused for good, of all that were answered. */
  readonly error_rate: number | null
  readonly requests: number
  readonly retries: number
  /** Repeated attempts for each request. */
  readonly retry_rate: number | null
  /** Changes that wait at present, and since when the oldest does (ISO 8601). */
  readonly waiting: number | null
  readonly waiting_since: string | null
  /** Seconds from the due time of the schedule to the start of the run. */
  readonly queue_lag: Spread | null
  /** Seconds from the start of a run to its end. */
  readonly latency: Spread | null
  readonly dead_letters: number | null
  /** Acknowledged messages times what one costs. */
  readonly cost: number | null
  /** Why figures are null, by their name. */
  readonly unknown: Readonly<Record<string, string>>
}

export interface HealthDocument {
  /** ISO 8601: runs from then on are counted. */
  readonly since: string
  readonly until: string
  /** Share of the identifiers that lead to a person; null without identity. */
  readonly match_rate: number | null
  readonly match_rate_unknown: string | null
  readonly all: HealthEntry
  readonly syncs: readonly HealthEntry[]
}

export interface SyncHealthRows {
  readonly sync: string
  /** Of the period, newest first; undefined without a ledger. */
  readonly runs: readonly Run[] | undefined
  readonly deadLetters: number | undefined
  /** `reason`, `n` of the period's decisions that were not to send; undefined without a state. */
  readonly kept: readonly Row[] | undefined
  /** `n`, `oldest`. */
  readonly waiting: Row | undefined
  readonly costPerMessage: number | undefined
}

export function healthOf(
  rows: readonly SyncHealthRows[],
  { asOf, matchRate }: { readonly asOf: number; readonly matchRate: number | string },
): HealthDocument {
  const syncs = rows.map(each => entryOf(each.sync, [each]))
  return {
    since: new Date(asOf - healthPeriod).toISOString(),
    until: new Date(asOf).toISOString(),
    match_rate: typeof matchRate === 'number' ? matchRate : null,
    match_rate_unknown: typeof matchRate === 'number' ? null : matchRate,
    all: entryOf(null, rows),
    syncs,
  }
}

const noRuns = 'no run in this time'
const noPlan = 'no run in this time came to a plan'

function entryOf(sync: string | null, rows: readonly SyncHealthRows[]): HealthEntry {
  const runs = rows.flatMap(row => row.runs ?? [])
  const { requests, retries, ...tally } = tallyOf(runs)
  const answered = tally.acked + tally.rejected
  const entry = {
    ...{ sync, runs: runCounts(runs), ...ofPlans(rows) },
    duplicates_prevented: sumKnown(rows.map(({ kept }) => kept && duplicatesIn(kept))),
    sends: tally,
    ack_rate: tally.planned === 0 ? null : tally.acked / tally.planned,
    error_rate: answered === 0 ? null : tally.rejected / answered,
    ...{ requests, retries, retry_rate: requests === 0 ? null : retries / requests },
    waiting: sumKnown(rows.map(({ waiting }) => waiting && Number(waiting.n ?? 0))),
    waiting_since: oldestOf(rows),
    queue_lag: quantiles(runs.flatMap(run => (run.nominalAt === undefined ? [] : [run.startedAt - run.nominalAt]))),
    latency: quantiles(runs.flatMap(run => (run.finishedAt === undefined ? [] : [run.finishedAt - run.startedAt]))),
    dead_letters: sumKnown(rows.map(({ deadLetters }) => deadLetters)),
    cost: costOf(rows),
  }
  return { ...entry, unknown: whyUnknown(entry, runs.length === 0 ? noRuns : undefined) }
}

function tallyOf(runs: readonly Run[]) {
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0)
  const ended = (outcome: 'acked' | 'rejected' | 'parked' | 'pending') =>
    sum(({ outcomes }) => outcomes?.[outcome] ?? 0)
  const [acked, rejected, parked, pending] = [ended('acked'), ended('rejected'), ended('parked'), ended('pending')]
  return {
    planned: acked + rejected + parked + pending,
    ...{ acked, rejected, parked, pending },
    requests: sum(run => run.requests ?? 0),
    retries: sum(run => run.retries ?? 0),
  }
}

function runCounts(runs: readonly Run[]): HealthEntry['runs'] {
  const of = (...statuses: readonly Run['status'][]) => runs.filter(({ status }) => statuses.includes(status)).length
  return {
    total: runs.length,
    succeeded: of('succeeded', 'partial'),
    held: of('held'),
    failed: of('failed', 'interrupted'),
  }
}

/** A plan as an earlier version may have written it. */
type KnownPlan = Partial<Pick<Plan, 'rows' | 'reasons'>>

function ofPlans(rows: readonly SyncHealthRows[]) {
  const plans = rows.flatMap(({ runs }): readonly KnownPlan[] => {
    const plan = runs?.find(run => run.plan !== undefined)?.plan as KnownPlan | undefined
    return plan?.rows === undefined ? [] : [plan]
  })
  if (plans.length === 0)
    return {
      ...{ model_rows: null, eligible: null, eligible_share: null },
      ...{ suppressed: null, suppressed_share: null, contract_compliance: null },
    }
  const sum = (of: (plan: KnownPlan) => number) => plans.reduce((total, plan) => total + of(plan), 0)
  const model = sum(plan => plan.rows?.model ?? 0)
  const eligible = sum(plan => plan.rows?.population ?? 0)
  const suppressed = sum(({ reasons = {} }) =>
    Object.entries(reasons).reduce(
      (total, [reason, n]) => total + (/^(consent|suppression)\./.test(reason) ? n : 0),
      0,
    ),
  )
  const share = (part: number) => (model === 0 ? null : part / model)
  return {
    ...{
      model_rows: model,
      eligible,
      eligible_share: share(eligible),
      suppressed,
      suppressed_share: share(suppressed),
    },
    contract_compliance: share(model - sum(plan => plan.rows?.quarantined ?? 0)),
  }
}

function duplicatesIn(kept: readonly Row[]): number {
  return kept.reduce((total, row) => total + (duplicates.has(String(row.reason)) ? Number(row.n) : 0), 0)
}

/** Null when none of them is known: a sum that leaves parts out is told by the syncs' own figures. */
function sumKnown(values: readonly (number | undefined)[]): number | null {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0)
}

function oldestOf(rows: readonly SyncHealthRows[]): string | null {
  const instants = rows.flatMap(({ waiting }) =>
    typeof waiting?.oldest === 'string' ? [Date.parse(waiting.oldest)] : [],
  )
  return instants.length === 0 ? null : new Date(Math.min(...instants)).toISOString()
}

function costOf(rows: readonly SyncHealthRows[]): number | null {
  return sumKnown(
    rows.map(({ runs, costPerMessage }) =>
      runs === undefined || runs.length === 0 || costPerMessage === undefined
        ? undefined
        : tallyOf(runs).acked * costPerMessage,
    ),
  )
}

function whyUnknown(
  entry: Omit<HealthEntry, 'unknown'>,
  noneAtAll: string | undefined,
): Readonly<Record<string, string>> {
  const reasons: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
      ['model_rows', 'eligible', 'eligible_share', 'suppressed', 'suppressed_share', 'contract_compliance'].map(
        name => [name, noneAtAll ?? (entry.model_rows === 0 ? 'the model is empty' : noPlan)],
      ),
    ),
    duplicates_prevented: 'nothing was decided yet',
    ack_rate: noneAtAll ?? 'nothing was to be sent',
    error_rate: noneAtAll ?? 'no destination has answered',
    retry_rate: noneAtAll ?? 'there was no request',
    waiting: 'nothing was decided yet',
    queue_lag: noneAtAll ?? 'no run was started by the schedule',
    latency: noneAtAll ?? 'no run has ended',
    dead_letters: 'there is no ledger yet',
    cost: noneAtAll ?? 'the sync does not say what a message costs (cost_per_message)',
  }
  const figures: Readonly<Record<string, unknown>> = { ...entry }
  return Object.fromEntries(Object.entries(reasons).filter(([name]) => figures[name] === null))
}

/** Each reason once, with the figures that are not known for it: `no run in this time: error rate, retry rate`. */
export function unknownFigures({ unknown }: Pick<HealthEntry, 'unknown'>): readonly string[] {
  const byReason = new Map<string, string[]>()
  for (const [name, why] of Object.entries(unknown))
    byReason.set(why, [...(byReason.get(why) ?? []), name.replaceAll('_', ' ')])
  return [...byReason].map(([why, names]) => `${why}: ${names.join(', ')}`)
}
