/**
 * A person says what became of parked rows, and warehouse and ledger take it in. Under the lease of the sync, so that no
 * run plans the rows meanwhile. The ledger comes first: it refuses whoever lost the lease, and the audit trail then knows
 * of every resolve, also of one that a crash cut short. Doing it again completes that one.
 */
import type { Lease, Ledger, Members } from '../ledger/ledger.ts'
import type { ParkedEvent } from '../ledger/request.ts'
import type { RequestException } from '../ledger/settlement.ts'
import {
  canResolve,
  type ParkedChange,
  type ParkedFilter,
  parkedOf,
  resolveStatements,
  selectParked,
  type Verdict,
} from '../plan/resolve.ts'
import { query } from '../plan/stage.ts'
import { type StateTable, stateRelation, stateTables } from '../plan/state.ts'
import { prepareState, prepareTable } from '../plan/state-tables.ts'
import { ActivateError } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
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
 * little is known of a row, A9001 when a run holds the sync.
 */
export async function resolveParked(
  wired: Wired,
  sync: Sync,
  resolution: Resolution,
): Promise<readonly ParkedChange[]> {
  const ledger = await wired.ledger()
  // The warehouse is opened under the lease, so that nobody waits for its file while a run has it.
  const answer = await withLease({ ledger, clock: wired.clock, ...wired.identity }, `sync:${sync.name}`, lease =>
    resolveUnderLease(wired, ledger, sync, resolution, lease),
  )
  if (answer.kind === 'locked') throw new ActivateError('locked', lockedProblem(sync, answer))
  return answer.result
}

async function resolveUnderLease(
  wired: Wired,
  ledger: Ledger,
  sync: Sync,
  resolution: Resolution,
  lease: () => Lease,
): Promise<readonly ParkedChange[]> {
  const { verdict, keys, actor, reason } = resolution
  const warehouse = await wired.warehouse()
  const parked = await listParked(warehouse, { sync: sync.name })
  const chosen = keys === undefined ? parked : parked.filter(change => keys.some(key => isOf(change, key)))
  refuseUnknown(sync, parked, keys)
  refuseIncomplete(sync, chosen, verdict)
  const at = wired.clock.now()
  const state = await prepareState(warehouse, sync.name)
  const detail = { verdict, reason, rows: chosen.length }
  const entry = { actor, at, action: 'resolve', subject: `sync:${sync.name}`, detail } as const
  await ledger.resolveParked(await wholeRequests(ledger, chosen), events[verdict], at, lease(), entry)
  const params = { sync, verdict, keys, resolvedAt: new Date(at).toISOString(), ...state }
  const { dialect } = warehouse
  const statements = resolveStatements(dialect, params)
  await warehouse.transaction(statements.map(statement => render(statement, dialect.placeholder)))
  return chosen
}

export function isOf({ key, person }: Pick<ParkedChange, 'key' | 'person'>, asked: string): boolean {
  return key === asked || person === asked
}

function refuseUnknown(sync: Sync, parked: readonly ParkedChange[], keys: readonly string[] | undefined): void {
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

function refuseIncomplete(sync: Sync, chosen: readonly ParkedChange[], verdict: Verdict): void {
  const [first, ...others] = chosen.filter(change => !canResolve(change, verdict, sync))
  if (first === undefined) return
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  throw new ActivateError('failed', {
    code: 'A4046',
    message: `"${first.key}"${more} of ${sync.name} cannot be resolved with --${verdict}: an earlier version parked it without its fields`,
    place: sync.place,
    help: '--retry sends it again; while it stays parked nothing is sent to it',
  })
}

/** Parked requests of which every row is among the chosen ones; of the others the rows alone are resolved. */
async function wholeRequests(ledger: Ledger, chosen: readonly ParkedChange[]): Promise<readonly string[]> {
  const seqsOfRun = new Map<string, Set<number>>()
  for (const { runId, seq } of chosen) {
    const seqs = seqsOfRun.get(runId) ?? new Set<number>()
    if (seq !== undefined) seqsOfRun.set(runId, seqs.add(seq))
  }
  const whole: string[] = []
  for (const [runId, seqs] of seqsOfRun) {
    const apart = seqsApart(await ledger.exceptions(runId))
    for (const { requestId, members } of await ledger.requests(runId, ['parked'])) {
      const left = seqsOf(members).filter(seq => apart.get(requestId)?.has(seq) !== true)
      if (left.length > 0 && left.every(seq => seqs.has(seq))) whole.push(requestId)
    }
  }
  return whole
}

/** Rows that ended otherwise than their parked request, by request. */
function seqsApart(exceptions: readonly RequestException[]): ReadonlyMap<string, ReadonlySet<number>> {
  const apart = new Map<string, Set<number>>()
  for (const { requestId, seq, state } of exceptions)
    if (state !== 'parked') apart.set(requestId, (apart.get(requestId) ?? new Set()).add(seq))
  return apart
}

function seqsOf(members: Members): readonly number[] {
  if ('seqs' in members) return members.seqs
  return Array.from({ length: members.to - members.from + 1 }, (_, index) => members.from + index)
}
