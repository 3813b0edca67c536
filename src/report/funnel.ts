/** What became of everything that a sync wanted to do: from those who may not take part to what was acknowledged. Pure. */
import type { Row } from '../warehouse/warehouse.ts'

export interface ReasonCount {
  readonly reason: string
  readonly n: number
}

export interface Funnel {
  /** Since when decisions are remembered (ISO 8601); null before the first. */
  readonly since: string | null
  /** Keys that may not take part at present. */
  readonly ineligible: number
  readonly ineligible_reasons: readonly ReasonCount[]
  /** Changes that were decided about: withheld + skipped + waiting + sent. */
  readonly due: number
  readonly withheld: number
  readonly withheld_reasons: readonly ReasonCount[]
  readonly skipped: number
  readonly skipped_reasons: readonly ReasonCount[]
  /** Put off or blocked, and nothing decided since. */
  readonly waiting: number
  readonly waiting_reasons: readonly ReasonCount[]
  readonly sent: number
  readonly acked: number
  readonly rejected: number
  /** Sent, and nobody knows whether it arrived. */
  readonly parked: number
  /** Not sent yet, by a run that ended early. */
  readonly pending: number
}

/** Of `countDecisions` and `countIneligible`, of one sync or of several together. */
export function funnelOf(decisions: readonly Row[], ineligible: readonly Row[]): Funnel {
  const rows = decisions.map(row => ({
    decision: String(row.decision),
    reason: String(row.reason ?? ''),
    outcome: String(row.outcome ?? ''),
    n: Number(row.n),
    first: String(row.first_at ?? ''),
  }))
  const of = (...names: readonly string[]) => rows.filter(({ decision }) => names.includes(decision))
  const total = (some: readonly { readonly n: number }[]) => some.reduce((sum, { n }) => sum + n, 0)
  const sent = of('send')
  const ended = (outcome: string) => total(sent.filter(row => row.outcome === outcome))
  const barred = ineligible.map(row => ({ reason: String(row.reason), n: Number(row.n) }))
  const firsts = rows.flatMap(({ first }) => (first === '' ? [] : [Date.parse(first)])).filter(Number.isFinite)
  return {
    since: firsts.length === 0 ? null : new Date(Math.min(...firsts)).toISOString(),
    ...{ ineligible: total(barred), ineligible_reasons: byReason(barred) },
    due: total(rows),
    ...{ withheld: total(of('withhold')), withheld_reasons: byReason(of('withhold')) },
    ...{ skipped: total(of('skip')), skipped_reasons: byReason(of('skip')) },
    ...{ waiting: total(of('defer', 'blocked')), waiting_reasons: byReason(of('defer', 'blocked')) },
    sent: total(sent),
    ...{ acked: ended('acked'), rejected: ended('rejected'), parked: ended('parked'), pending: ended('pending') },
  }
}

/** The most frequent first. */
function byReason(rows: readonly ReasonCount[]): readonly ReasonCount[] {
  const counts = new Map<string, number>()
  for (const { reason, n } of rows) counts.set(reason, (counts.get(reason) ?? 0) + n)
  return [...counts]
    .map(([reason, n]) => ({ reason, n }))
    .toSorted((left, right) => right.n - left.n || (left.reason < right.reason ? -1 : 1))
}
