/**
 * The hot path: beginning and concluding sends in SQLite. Each request passes here twice, so the statements are constant
 * text, prepared once per connection; knex would prepare them anew for every execution. A whole group is one transaction.
 *
 * Measured 2026-11 (two cores, groups of 5, 10 and 50, no flush): 7 to 11 µs per request for prepared statements row by
 * row, 8 to 18 µs for one statement per group over `json_each`. So rows it is; the flush costs ten times that.
 */
import type { Database as Connection } from 'better-sqlite3'
import { ActivateError } from '../project/problem.ts'
import type { Answer, SealedLetter, Send } from './database.ts'
import { isConstraint } from './failure.ts'
import { refuseOldFence } from './fence.ts'
import type { ChangeException, Lease, NewRequest } from './ledger.ts'
import { eventBetween, transition } from './request.ts'
import { memberColumns, type RequestRow } from './rows.ts'
import { nonConclusion, notSendable, notTheSame } from './send-refusals.ts'

export interface SendStatements {
  /** One durable transaction. Throws when it failed as a whole; then nothing was written. */
  commit(sends: readonly Send[]): readonly Answer[]
}

type Known = Pick<RequestRow, 'state' | 'attempt' | 'idempotency_key' | 'body_hash'>

export function prepareSends(connection: Connection): SendStatements {
  const fence = connection.prepare<[string], number>('select fence from leases where scope = ?').pluck()
  const known = connection.prepare<[string], Known>(
    'select state, attempt, idempotency_key, body_hash from requests where request_id = ?',
  )
  const insert = connection.prepare(`
    insert into requests (request_id, run_id, destination, action, seq_from, seq_to, seqs, state, attempt, fence,
      idempotency_key, body_hash, first_sent_at, changed_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)
    on conflict (request_id) do nothing`)
  const again = connection.prepare(`
    update requests set state = ?, attempt = ?, fence = ?, first_sent_at = coalesce(first_sent_at, ?), changed_at = ?,
      next_attempt_at = null, error_code = null, error_message = null
    where request_id = ?`)
  const conclude = connection.prepare(`
    update requests set state = ?, changed_at = ?, next_attempt_at = ?, error_code = ?, error_message = ?,
      job_reference = ?, accepted_at = ?
    where request_id = ? and state = 'sending' and attempt = ? and fence = ?`)
  const forget = connection.prepare(
    "delete from request_changes where request_id = ? and state not in ('moved', 'withdrawn')",
  )
  const except = connection.prepare(`
    insert into request_changes (request_id, seq, key_hash, change_id, state, code, message, at) values (?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (request_id, seq) do update set key_hash = excluded.key_hash, change_id = excluded.change_id,
      state = excluded.state, code = excluded.code, message = excluded.message, at = excluded.at`)

  const standing = connection.prepare<
    [string, string, string],
    { letter_id: string; change_id: string; attempts: number }
  >(`
    select letter_id, change_id, attempts from dead_letters
    where sync = (select sync from runs where run_id = ?) and key_hash = ? and state = 'open' and letter_id <> ?`)
  const supersede = connection.prepare(
    "update dead_letters set state = 'superseded', ended_at = ?, sealed = null where letter_id = ?",
  )
  // A letter that is recorded once more, by a later attempt of its request, stays as it is but for what was said last.
  const bury = connection.prepare(`
    insert into dead_letters (letter_id, run_id, sync, destination, action, op, change_id, key_hash, state, class, code,
      attempts, at, expires_at, sealed)
    select ?, r.run_id, runs.sync, r.destination, r.action, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?
    from requests r join runs on runs.run_id = r.run_id where r.request_id = ?
    on conflict (letter_id) do update set class = excluded.class, code = excluded.code, sealed = excluded.sealed
      where dead_letters.state = 'open'`)

  const take = connection.prepare(`
    insert into receipts (destination, reference, request_id, seq, change_id, key_hash, at)
    select r.destination, ?, r.request_id, ?, ?, ?, ? from requests r where r.request_id = ?
    on conflict (destination, reference) do nothing`)

  function begin(request: NewRequest, at: number, lease: Lease): number {
    if (insertNew(request, at, lease)) return 1
    const { requestId } = request
    const row = known.get(requestId)
    if (row === undefined) throw new TypeError(`request ${requestId} is neither new nor known`)
    const attempt = row.attempt + 1
    again.run(stateOnceSent(request, row), attempt, lease.fence, at, at, requestId)
    return attempt
  }

  function insertNew(request: NewRequest, at: number, lease: Lease): boolean {
    const { requestId, runId, destination, action, members, idempotencyKey, bodyHash } = request
    const { seq_from, seq_to, seqs } = memberColumns(members)
    const { changes } = insert.run(
      ...[requestId, runId, destination, action, seq_from, seq_to, seqs, transition('planned', 'send')],
      ...[lease.fence, idempotencyKey, bodyHash, at, at],
    )
    return changes === 1
  }

  function concludeOne({ conclusion, letters, receipts, lease }: Extract<Send, { kind: 'conclude' }>): boolean {
    const { requestId, attempt, state, at, nextAttemptAt, error, exceptions, job } = conclusion
    const defect = nonConclusion({ state })
    if (defect !== undefined) throw defect
    const { changes } = conclude.run(
      ...[state, at, nextAttemptAt ?? null, error?.code ?? null, error?.message ?? null],
      ...[job?.reference ?? null, job?.acceptedAt ?? null],
      ...[requestId, attempt, lease.fence],
    )
    if (changes === 0) return false
    // What an earlier attempt said is superseded, except for changes that are no longer part of it.
    if (attempt > 1) forget.run(requestId)
    for (const exception of exceptions) record(requestId, exception, at)
    for (const letter of letters) buryOne(requestId, letter, at)
    for (const { reference, seq, changeId, keyHash } of receipts)
      take.run(reference, seq, changeId, keyHash, at, requestId)
    return true
  }

  /** The newest refusal of a key is the one that counts. */
  function buryOne(requestId: string, letter: SealedLetter, at: number): void {
    const { letterId, runId, op, changeId, keyHash, class: kind, code, sealed, retention } = letter
    const before = standing.get(runId, keyHash, letterId)
    if (before !== undefined) supersede.run(at, before.letter_id)
    const attempts = before?.change_id === changeId ? before.attempts + 1 : 1
    bury.run(letterId, op, changeId, keyHash, kind, code, attempts, at, at + retention, sealed, requestId)
  }

  function record(requestId: string, { seq, key, changeId, state, code, message }: ChangeException, at: number): void {
    except.run(requestId, seq, key, changeId, state, code, message, at)
  }

  function perform(send: Send): Answer {
    if (send.kind === 'conclude') return { kind: 'concluded', won: concludeOne(send) }
    const attempts = send.requests.map(request => ({
      requestId: request.requestId,
      attempt: begin(request, send.at, send.lease),
    }))
    return { kind: 'begun', attempts }
  }

  /** Inside the group's transaction this is a savepoint: a refused call takes back its own writes only. */
  const performWhole = connection.transaction(perform)

  /** Nobody else writes while the group's transaction lasts, so a scope's fence is read once for all of the group. */
  function fencesOfGroup(): (scope: string) => number | undefined {
    const read = new Map<string, number | undefined>()
    return scope => {
      if (!read.has(scope)) read.set(scope, fence.get(scope))
      return read.get(scope)
    }
  }

  function answer(send: Send, fenceOf: (scope: string) => number | undefined): Answer {
    try {
      refuseOldFence(send.lease, fenceOf(send.lease.scope))
      return isOneStatement(send) ? perform(send) : performWhole(send)
    } catch (error) {
      if (error instanceof ActivateError || error instanceof TypeError || isConstraint(error)) {
        return { kind: 'refused', error }
      }
      throw error
    }
  }

  const group = connection.transaction((sends: readonly Send[]): readonly Answer[] => {
    const fenceOf = fencesOfGroup()
    return sends.map(send => answer(send, fenceOf))
  })
  return { commit: sends => group.immediate(sends) }
}

function isOneStatement(send: Send): boolean {
  return send.kind === 'begin'
    ? send.requests.length === 1
    : send.conclusion.attempt === 1 &&
        send.conclusion.exceptions.length + send.letters.length + send.receipts.length === 0
}

function stateOnceSent(request: NewRequest, row: Known) {
  const event = eventBetween(row.state, 'sending')
  if (event === undefined) throw notSendable(request, row.state)
  if (row.idempotency_key !== request.idempotencyKey || row.body_hash !== request.bodyHash) {
    throw notTheSame(request, row)
  }
  return transition(row.state, event)
}
