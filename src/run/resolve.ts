/**
 * A person says what became of parked rows, and warehouse and ledger take it in. Under the lease of the sync, so that no
 * run plans the rows meanwhile. The ledger comes first: it refuses whoever lost the lease, and the audit trail then knows
 * of every resolve, also of one that a crash cut short. Doing it again completes that one.
 */
import type { Lease, Ledger, Members } from '../ledger/ledger.ts'
import type { ParkedEvent, RequestState } from '../ledger/request.ts'
import type { RequestException } from '../ledger/settlement.ts'
import {
  canResolve,
  type ParkedChange,
  type ParkedFilter,
  parkedOf,
  type ResolvedSync,
  resolveStatements,
  selectParked,
  type Verdict,
  verdicts,
} from '../plan/resolve.ts'
import { query } from '../plan/stage.ts'
import { type StateTable, stateRelation, stateTables } from '../plan/state.ts'
import { prepareState, prepareTable } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import { suggestion } from '../project/suggest.ts'
import { render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { withLease } from './lease-keeper.ts'
import { lockedProblem } from './summary.ts'

export interface Resolution {
  readonly verdict: Verdict
  /** Of rows or of persons; undefined means everything that is parked of the sync. */
  readonly keys: readonly string[] | undefined
  readonly actor: string
  readonly reason: string
}

const events: Readonly<Record<Verdict, ParkedEvent>> = { acked: 'resolve', retry: 'retry', drop: 'drop' }

/** What is parked, by sync and key; also of syncs that the project no longer has. */
export async function listParked(warehouse: Warehouse, filter: ParkedFilter): Promise<readonly ParkedChange[]> {
  const name = 'unresolved' satisfies StateTable
  if (!(await warehouse.tables(warehouse.state, name)).includes(name)) return []
  const unresolved = stateRelation(warehouse.dialect, warehouse.state, name)
  await prepareTable(warehouse, unresolved, stateTables[name])
  return (await query(warehouse, selectParked(unresolved, filter))).map(parkedOf)
}

/**
 * Resolves all of the rows or none, and returns them. Throws A4045 when one of the keys has nothing parked, A4046 when too
 * little is known of a row, A4047 when a crash cut short another verdict on it, A9001 when a run holds the sync.
 */
export async function resolveParked(
  wired: Wired,
  sync: ResolvedSync,
  resolution: Resolution,
): Promise<readonly ParkedChange[]> {
  const ledger = await wired.ledger()
  // The warehouse is opened under the lease, so that nobody waits for its file while a run has it.
  const answer = await withLease(
    { ledger, clock: wired.clock, leaseLength: wired.leaseLength, ...wired.identity },
    `sync:${sync.name}`,
    lease => resolveUnderLease(wired, ledger, sync, resolution, lease),
  )
  if (answer.kind === 'locked') throw new ActivateError('locked', lockedProblem(sync, answer))
  return answer.result
}

async function resolveUnderLease(
  wired: Wired,
  ledger: Ledger,
  sync: ResolvedSync,
  resolution: Resolution,
  lease: () => Lease,
): Promise<readonly ParkedChange[]> {
  const { verdict, keys, actor, reason } = resolution
  const warehouse = await wired.warehouse()
  const parked = await listParked(warehouse, { sync: sync.name })
  const chosen = keys === undefined ? parked : parked.filter(change => keys.some(key => isOf(change, key)))
  refuseUnknown(sync, parked, keys)
  refuseIncomplete(sync, chosen, verdict)
  const whole = await wholeRequests(ledger, sync, chosen, verdict)
  const at = wired.clock.now()
  const state = await prepareState(warehouse, sync.name)
  const detail = { verdict, reason, rows: chosen.length }
  const entry = { actor, at, action: 'resolve', subject: `sync:${sync.name}`, detail } as const
  await ledger.resolveParked(whole, events[verdict], at, lease(), entry)
  const params = { sync, verdict, keys, resolvedAt: new Date(at).toISOString(), ...state }
  const { dialect } = warehouse
  const statements = resolveStatements(dialect, params)
  await warehouse.transaction(statements.map(statement => render(statement, dialect.placeholder)))
  return chosen
}

export function isOf({ key, person }: Pick<ParkedChange, 'key' | 'person'>, asked: string): boolean {
  return key === asked || person === asked
}

function refuseUnknown(sync: ResolvedSync, parked: readonly ParkedChange[], keys: readonly string[] | undefined): void {
  const unknown = keys?.find(key => !parked.some(change => isOf(change, key)))
  if (unknown !== undefined) throw notParked(`"${unknown}" is not parked in ${sync.name}`, parked, unknown)
  if (parked.length === 0) throw notParked(`nothing is parked in ${sync.name}`, parked)
}

/** For a key that has nothing parked, or for a sync that has not. */
export function notParked(message: string, parked: readonly ParkedChange[], key = ''): ActivateError {
  const known = [...new Set(parked.flatMap(change => [change.key, change.person ?? change.key]))]
  const help = suggestion(key, known, 'parked') ?? 'nothing is: it was resolved before, or never parked'
  return new ActivateError('failed', { code: 'A4045', message, help })
}

function refuseIncomplete(sync: ResolvedSync, chosen: readonly ParkedChange[], verdict: Verdict): void {
  const [first, ...others] = chosen.filter(change => !canResolve(change, verdict, sync))
  if (first === undefined) return
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  throw new ActivateError('failed', {
    code: 'A4046',
    message: `"${first.key}"${more} of ${sync.name} cannot be resolved with --${verdict}: an earlier version parked it without its fields`,
    ...(sync.place === undefined ? {} : { place: sync.place }),
    help: 'without them the next run would take it for unsent, and send it. --retry says so; while it stays parked nothing is sent to it',
  })
}

/** What a request became whose rows were all resolved with this verdict. */
const endings: Readonly<Record<Verdict, RequestState>> = { acked: 'acked', retry: 'cancelled', drop: 'dead' }

/**
 * Parked requests of which every row is among the chosen ones; of the others the rows alone are resolved. Throws A4047
 * when the request of a row has ended otherwise already: the ledger took in what the warehouse did not.
 */
async function wholeRequests(
  ledger: Ledger,
  sync: ResolvedSync,
  chosen: readonly ParkedChange[],
  verdict: Verdict,
): Promise<readonly string[]> {
  const whole: string[] = []
  for (const [runId, keys] of keysOfRuns(chosen)) {
    const { apart, parked } = seqsApart(await ledger.exceptions(runId))
    for (const { requestId, members, state } of await ledger.requests(runId)) {
      const seqs = seqsOf(members)
      const left = seqs.filter(seq => apart.get(requestId)?.has(seq) !== true)
      if (state === 'parked' && left.length > 0 && left.every(seq => keys.has(seq))) whole.push(requestId)
      // A request that ended may hold parked rows beside others; only one that was parked as a whole tells what was said of it.
      const asWhole = left.length === seqs.length && [0, seqs.length].includes(parked.get(requestId)?.size ?? 0)
      const before = verdicts.find(each => endings[each] === state)
      const seq = seqs.find(member => keys.has(member))
      if (asWhole && seq !== undefined && before !== undefined && before !== verdict)
        throw alreadyResolved(sync, keys.get(seq) ?? '', before)
    }
  }
  return whole
}

function keysOfRuns(chosen: readonly ParkedChange[]): ReadonlyMap<string, ReadonlyMap<number, string>> {
  const keys = new Map<string, Map<number, string>>()
  for (const { runId, seq, key } of chosen)
    if (seq !== undefined) keys.set(runId, (keys.get(runId) ?? new Map<number, string>()).set(seq, key))
  return keys
}

type SeqsByRequest = ReadonlyMap<string, ReadonlySet<number>>

/** Rows that are named as parked, and rows that ended otherwise than parked, by request. */
function seqsApart(exceptions: readonly RequestException[]): {
  readonly apart: SeqsByRequest
  readonly parked: SeqsByRequest
} {
  const [apart, parked] = [new Map<string, Set<number>>(), new Map<string, Set<number>>()]
  for (const { requestId, seq, state } of exceptions) {
    const seqs = state === 'parked' ? parked : apart
    seqs.set(requestId, (seqs.get(requestId) ?? new Set<number>()).add(seq))
  }
  return { apart, parked }
}

function alreadyResolved(sync: ResolvedSync, key: string, before: Verdict): ActivateError {
  return new ActivateError('failed', {
    code: 'A4047',
    message: `"${key}" of ${sync.name} was resolved with --${before} before, and that was cut short`,
    ...(sync.place === undefined ? {} : { place: sync.place }),
    help: `say --${before} once more to finish it; \`activate audit\` tells who said so`,
  })
}

function seqsOf(members: Members): readonly number[] {
  if ('seqs' in members) return members.seqs
  return Array.from({ length: members.to - members.from + 1 }, (_, index) => members.from + index)
}
