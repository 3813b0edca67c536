/**
 * Settlement: what the warehouse must take in of a run. The ledger knows requests, the warehouse knows changes by `seq`;
 * here the one becomes the other, in merged ranges, so that ten million changes in ten thousand requests stay small.
 *
 * A change may be in several requests: a bisected half or a retry is a new request that names its changes one by one, and
 * the old one has `moved` them. Each request says something about each of its changes, or nothing; the strongest word
 * counts: acked before rejected before parked. A change of which no request says anything is still pending: it was never
 * sent, was postponed or withdrawn, or is uncertain.
 */
import type { ChangeException, Members, OutcomeCounts, RecordedException, Request } from './ledger.ts'

/** Both ends included. */
export interface SeqRange {
  readonly from: number
  readonly to: number
}

/** Changes of a request that ended as a whole, without naming them. */
export interface WholeRange extends SeqRange {
  readonly code: string
  readonly message: string
}

export interface Settlement {
  /** Ascending, disjoint and merged. */
  readonly acked: readonly SeqRange[]
  /** Refused or given up for good, ascending, each change once. A change is in one of the four lists below at most. */
  readonly rejected: readonly RecordedException[]
  readonly rejectedWhole: readonly WholeRange[]
  /** Waiting for a person. */
  readonly parked: readonly RecordedException[]
  readonly parkedWhole: readonly WholeRange[]
}

export type RequestException = RecordedException

type SettledRequest = Pick<Request, 'requestId' | 'members' | 'state' | 'error'>

export function settlementOf(requests: readonly SettledRequest[], exceptions: readonly RequestException[]): Settlement {
  const excepted = seqsByRequest(exceptions)
  const wholes = (...states: readonly Request['state'][]): WholeRange[] =>
    requests
      .filter(request => states.includes(request.state))
      .flatMap(request =>
        withError(request, subtract(rangesOf(request.members), excepted.get(request.requestId) ?? [])),
      )

  const acked = merge(wholes('acked'))
  const rejected = named(exceptions, ['rejected', 'dead'], acked)
  const rejectedWhole = notIn(wholes('rejected', 'dead'), union(acked, pointsOf(rejected)))
  const settled = union(acked, pointsOf(rejected), rejectedWhole)
  const parked = named(exceptions, ['parked'], settled)
  const parkedWhole = notIn(wholes('parked'), union(settled, pointsOf(parked)))
  return { acked, rejected, rejectedWhole, parked, parkedWhole }
}

/** How the `sends` planned changes ended; the four add up to it. */
export function outcomeCounts(settlement: Settlement, sends: number): OutcomeCounts {
  const acked = sizeOf(settlement.acked)
  const rejected = settlement.rejected.length + sizeOf(settlement.rejectedWhole)
  const parked = settlement.parked.length + sizeOf(settlement.parkedWhole)
  return { acked, rejected, parked, pending: sends - acked - rejected - parked }
}

function seqsByRequest(exceptions: readonly RequestException[]): ReadonlyMap<string, readonly SeqRange[]> {
  const seqs = new Map<string, number[]>()
  for (const { requestId, seq } of exceptions) {
    const list = seqs.get(requestId)
    if (list === undefined) seqs.set(requestId, [seq])
    else list.push(seq)
  }
  return new Map([...seqs].map(([requestId, list]) => [requestId, rangesOf({ seqs: list })]))
}

/** Ascending and merged. */
function rangesOf(members: Members): readonly SeqRange[] {
  if (!('seqs' in members)) return [{ from: members.from, to: members.to }]
  return merge(members.seqs.map(seq => ({ from: seq, to: seq })))
}

function withError({ error, state }: SettledRequest, ranges: readonly SeqRange[]): WholeRange[] {
  const { code, message } = error ?? { code: state, message: '' }
  return ranges.map(({ from, to }) => ({ from, to, code, message }))
}

/** The exceptions in one of these states that nothing stronger has settled, ascending; of several for a change the last. */
function named(
  exceptions: readonly RequestException[],
  states: readonly ChangeException['state'][],
  stronger: readonly SeqRange[],
): readonly RecordedException[] {
  const bySeq = new Map(
    exceptions.filter(({ state }) => states.includes(state)).map(exception => [exception.seq, exception]),
  )
  const ascending = [...bySeq.values()].sort((a, b) => a.seq - b.seq)
  let index = 0
  return ascending.filter(({ seq }) => {
    while (index < stronger.length && (stronger[index]?.to ?? 0) < seq) index++
    return (stronger[index]?.from ?? Number.POSITIVE_INFINITY) > seq
  })
}

/** These ranges, ascending and each change once, without those that are settled. */
function notIn(ranges: readonly WholeRange[], settled: readonly SeqRange[]): readonly WholeRange[] {
  const free: WholeRange[] = []
  let end = Number.NEGATIVE_INFINITY
  for (const { from, to, code, message } of byStart(ranges)) {
    if (to <= end) continue
    free.push({ from: Math.max(from, end + 1), to, code, message })
    end = to
  }
  return subtract(free, settled)
}

function union(...lists: readonly (readonly SeqRange[])[]): readonly SeqRange[] {
  return merge(lists.flat())
}

function pointsOf(exceptions: readonly RecordedException[]): readonly SeqRange[] {
  return exceptions.map(({ seq }) => ({ from: seq, to: seq }))
}

/** Ascending, and one range where two touch or overlap. */
function merge(ranges: readonly SeqRange[]): readonly SeqRange[] {
  const merged: { from: number; to: number }[] = []
  for (const { from, to } of byStart(ranges)) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

/** What is left of `ranges` without `holes`; both ascending and disjoint. */
function subtract<Range extends SeqRange>(ranges: readonly Range[], holes: readonly SeqRange[]): readonly Range[] {
  const left: Range[] = []
  let first = 0
  for (const range of ranges) {
    while (first < holes.length && (holes[first]?.to ?? 0) < range.from) first++
    let from = range.from
    for (let index = first; index < holes.length; index++) {
      const hole = holes[index]
      if (hole === undefined || hole.from > range.to) break
      if (hole.from > from) left.push({ ...range, from, to: hole.from - 1 })
      from = Math.max(from, hole.to + 1)
    }
    if (from <= range.to) left.push({ ...range, from })
  }
  return left
}

function byStart<Range extends SeqRange>(ranges: readonly Range[]): readonly Range[] {
  return [...ranges].sort((a, b) => a.from - b.from)
}

function sizeOf(ranges: readonly SeqRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0)
}
