/**
 * The hot path: beginning and concluding sends in Postgres. What a group begins is one statement over arrays, and so is
 * what it concludes, each a transaction of its own: one round trip and one flush, however many requests. Rows are
 * locked before they are judged, and Postgres shows a row that it had to wait for as it is by then, so a takeover either
 * sees these writes or is seen by them.
 */
import type { Answer, Send } from './database.ts'
import { oldFence } from './fence.ts'
import type { ChangeException } from './ledger.ts'
import type { Connection } from './postgres-connection.ts'
import { isLost, isRefusedRow } from './postgres-failure.ts'
import { bury } from './postgres-letters.ts'
import type { Persistently } from './postgres-persistence.ts'
import type { RequestState } from './request.ts'
import { memberColumns, storable, storableOrNull } from './rows.ts'
import { nonConclusion, notSendable, notTheSame, sendableStates } from './send-refusals.ts'

type Begin = Extract<Send, { readonly kind: 'begin' }>
type Conclude = Extract<Send, { readonly kind: 'conclude' }>

/** Answers in the order of the sends; those of a statement that could not be done are refused with what it failed by. */
export async function commitSends(sends: readonly Send[], persistently: Persistently): Promise<readonly Answer[]> {
  const answers = new Map<Send, Answer>()
  for (const send of sends) {
    const error = defectOf(send)
    if (error !== undefined) answers.set(send, { kind: 'refused', error })
  }
  for (const round of roundsOf(sends.filter(send => !answers.has(send)))) {
    const begins = round.filter(send => send.kind === 'begin')
    const concludes = round.filter(send => send.kind === 'conclude')
    const plain = concludes.filter(({ letters }) => letters.length === 0)
    await Promise.all([
      answerAll(begins, beginAll, persistently, answers),
      answerAll(plain, concludeAll, persistently, answers),
    ])
    const burying = concludes.filter(({ letters }) => letters.length > 0)
    await answerAll(burying, concludeAndBury, persistently, answers)
  }
  return sends.map(send => answers.get(send) ?? refused(unanswered()))
}

/** What is wrong with a send whatever the ledger holds. */
function defectOf(send: Send): unknown {
  if (send.kind === 'conclude') return nonConclusion(send.conclusion)
  const ids = send.requests.map(({ requestId }) => requestId)
  const twice = send.requests.find(({ requestId }, index) => ids.indexOf(requestId) < index)
  return twice && notSendable(twice, 'sending')
}

/** A statement judges a request once, so sends of the same request go one after another. */
function roundsOf(sends: readonly Send[]): readonly (readonly Send[])[] {
  const rounds: Send[][] = []
  const roundOf = new Map<string, number>()
  for (const send of sends) {
    const ids = send.kind === 'begin' ? send.requests.map(({ requestId }) => requestId) : [send.conclusion.requestId]
    const round = Math.max(0, ...ids.map(id => (roundOf.get(id) ?? -1) + 1))
    for (const id of ids) roundOf.set(id, round)
    const sharing = rounds[round]
    if (sharing === undefined) rounds.push([send])
    else sharing.push(send)
  }
  return rounds
}

async function answerAll<Kind extends Send>(
  sends: readonly Kind[],
  perform: (connection: Connection, sends: readonly Kind[], again: boolean) => Promise<readonly Answer[]>,
  persistently: Persistently,
  answers: Map<Send, Answer>,
): Promise<void> {
  if (sends.length === 0) return
  try {
    const given = await persistently((connection, again) => perform(connection, sends, again))
    for (const [index, send] of sends.entries()) answers.set(send, given[index] ?? refused(unanswered()))
  } catch (error) {
    if (sends.length > 1 && isRefusedRow(error)) {
      // The one that is at fault takes nobody with it.
      for (const send of sends) await answerAll([send], perform, persistently, answers)
      return
    }
    for (const send of sends) answers.set(send, { kind: 'refused', error })
  }
}

const beginning = `
  with input as materialized (
    select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
      $9::text[], $10::text[], $11::bigint[], $12::text[], $13::bigint[]) with ordinality
    as i (call, request_id, run_id, destination, action, seq_from, seq_to, seqs, idempotency_key, body_hash, at, scope, fence, n)
  ), held as materialized (
    select scope, fence from leases where scope in (select scope from input) for share
  ), known as materialized (
    select request_id, state, attempt, fence, idempotency_key, body_hash, changed_at
    from requests where request_id in (select request_id from input) for update
  ), judged as materialized (
    select i.*, k.state as was, k.attempt as attempt, case
      when h.fence is distinct from i.fence then 'old fence'
      when k.request_id is null then 'new'
      when $15 and k.state = 'sending' and k.fence = i.fence and k.changed_at = i.at
        and (k.idempotency_key, k.body_hash) = (i.idempotency_key, i.body_hash) then 'done'
      when k.state <> all ($14::text[]) then 'not sendable'
      when (k.idempotency_key, k.body_hash) <> (i.idempotency_key, i.body_hash) then 'not the same'
      else 'again' end as verdict
    from input i left join held h on h.scope = i.scope left join known k on k.request_id = i.request_id
  ), sound as materialized (
    select call from judged group by call having bool_and(verdict in ('new', 'done', 'again'))
  ), made as (
    insert into requests (request_id, run_id, destination, action, seq_from, seq_to, seqs, state, attempt, fence,
      idempotency_key, body_hash, first_sent_at, changed_at)
    select request_id, run_id, destination, action, seq_from, seq_to, seqs, 'sending', 1, fence,
      idempotency_key, body_hash, at, at
    from judged where verdict = 'new' and call in (select call from sound) order by n
  ), resent as (
    update requests r set state = 'sending', attempt = j.attempt + 1, fence = j.fence,
      first_sent_at = coalesce(r.first_sent_at, j.at), changed_at = j.at,
      next_attempt_at = null, error_code = null, error_message = null
    from judged j where j.verdict = 'again' and r.request_id = j.request_id and j.call in (select call from sound)
  )
  select request_id, verdict, was, attempt from judged order by n`

interface Judged {
  readonly request_id: string
  readonly verdict: 'old fence' | 'new' | 'done' | 'not sendable' | 'not the same' | 'again'
  readonly was: RequestState | null
  readonly attempt: number | null
}

async function beginAll(connection: Connection, begins: readonly Begin[], again: boolean): Promise<readonly Answer[]> {
  const rows = begins.flatMap(({ requests, at, lease }, call) =>
    requests.map(request => ({ call, request, at, lease, ...memberColumns(request.members) })),
  )
  const values = [
    rows.map(({ call }) => call),
    rows.map(({ request }) => request.requestId),
    rows.map(({ request }) => request.runId),
    rows.map(({ request }) => request.destination),
    rows.map(({ request }) => request.action),
    rows.map(({ seq_from }) => seq_from),
    rows.map(({ seq_to }) => seq_to),
    rows.map(({ seqs }) => seqs),
    rows.map(({ request }) => request.idempotencyKey),
    rows.map(({ request }) => request.bodyHash),
    rows.map(({ at }) => at),
    rows.map(({ lease }) => lease.scope),
    rows.map(({ lease }) => lease.fence),
    sendableStates,
    again,
  ]
  const { rows: judged } = await connection.query({ text: beginning, values })
  let from = 0
  return begins.map(begin => {
    const own = judged.slice(from, from + begin.requests.length) as readonly Judged[]
    from += begin.requests.length
    return answerOf(begin, own)
  })
}

function answerOf({ lease }: Begin, judged: readonly Judged[]): Answer {
  for (const { request_id: requestId, verdict, was, attempt } of judged) {
    if (verdict === 'old fence') return refused(oldFence(lease))
    if (verdict === 'not sendable') return refused(notSendable({ requestId }, was ?? 'sending'))
    if (verdict === 'not the same') return refused(notTheSame({ requestId }, { attempt: attempt ?? 0 }))
  }
  const attempts = judged.map(({ request_id: requestId, verdict, attempt }) => ({
    requestId,
    attempt: (attempt ?? 0) + (verdict === 'done' ? 0 : 1),
  }))
  return { kind: 'begun', attempts }
}

const concluding = `
  with input as materialized (
    select * from unnest($1::int[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
      $9::text[], $10::bigint[], $19::text[], $20::bigint[])
    as i (call, request_id, attempt, state, at, next_attempt_at, error_code, error_message, scope, fence, job_reference,
      accepted_at)
  ), taken as materialized (
    select * from unnest($21::int[], $22::text[], $23::bigint[], $24::text[], $25::text[]) with ordinality
    as t (call, reference, seq, change_id, key_hash, n)
  ), said as materialized (
    select * from unnest($11::int[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[]) with ordinality
    as s (call, seq, key, change_id, state, code, message, n)
  ), held as materialized (
    select scope, fence from leases where scope in (select scope from input) for share
  ), won as (
    update requests r set state = i.state, changed_at = i.at, next_attempt_at = i.next_attempt_at,
      error_code = i.error_code, error_message = i.error_message, job_reference = i.job_reference,
      accepted_at = i.accepted_at
    from input i join held h on h.scope = i.scope and h.fence = i.fence
    where r.request_id = i.request_id and r.state = 'sending' and r.attempt = i.attempt and r.fence = i.fence
    returning i.call, i.request_id, r.destination, i.attempt, i.at
  ), done as (
    select i.call from input i join requests r on r.request_id = i.request_id
    where $18 and r.state = i.state and r.attempt = i.attempt and r.fence = i.fence and r.changed_at = i.at
  ), forgotten as (
    delete from request_changes c using won w
    where w.attempt > 1 and c.request_id = w.request_id and c.state not in ('moved', 'withdrawn')
      and not exists (select from said s where s.call = w.call and s.seq = c.seq)
  ), noted as (
    insert into request_changes (request_id, seq, key_hash, change_id, state, code, message, at)
    select w.request_id, s.seq, s.key, s.change_id, s.state, s.code, s.message, w.at
    from said s join won w on w.call = s.call order by s.n
    on conflict (request_id, seq) do update set key_hash = excluded.key_hash, change_id = excluded.change_id,
      state = excluded.state, code = excluded.code, message = excluded.message, at = excluded.at
  ), received as (
    insert into receipts (destination, reference, request_id, seq, change_id, key_hash, at)
    select w.destination, t.reference, w.request_id, t.seq, t.change_id, t.key_hash, w.at
    from taken t join won w on w.call = t.call order by t.n
    on conflict (destination, reference) do nothing
  )
  select i.call, h.fence as newest,
    i.call in (select call from won) as won, i.call in (select call from done) as done
  from input i left join held h on h.scope = i.scope order by i.call`

async function concludeAll(
  connection: Connection,
  concludes: readonly Conclude[],
  again: boolean,
): Promise<readonly Answer[]> {
  return (await concludeEach(connection, concludes, again)).map(({ answer }) => answer)
}

/** Refusals leave letters, and what they supersede has to be out of the way first: a transaction of a few statements. */
async function concludeAndBury(
  connection: Connection,
  concludes: readonly Conclude[],
  again: boolean,
): Promise<readonly Answer[]> {
  await connection.query('begin')
  try {
    const concluded = await concludeEach(connection, concludes, again)
    const letters = concludes.flatMap(({ conclusion: { requestId, at }, letters: own }, index) =>
      concluded[index]?.isNew === true ? own.map(letter => ({ requestId, at, letter })) : [],
    )
    if (letters.length > 0) await bury(connection, letters)
    await connection.query('commit')
    return concluded.map(({ answer }) => answer)
  } catch (error) {
    if (!isLost(error)) await connection.query('rollback')
    throw error
  }
}

/** `isNew`: recorded by this very statement, and not by an earlier one whose answer was lost. */
async function concludeEach(
  connection: Connection,
  concludes: readonly Conclude[],
  again: boolean,
): Promise<readonly { readonly answer: Answer; readonly isNew: boolean }[]> {
  const said = concludes.flatMap(({ conclusion }, call) =>
    lastOfEach(conclusion.exceptions).map(each => ({ call, ...each })),
  )
  const taken = concludes.flatMap(({ receipts }, call) => receipts.map(each => ({ call, ...each })))
  const values = [
    concludes.map((_, call) => call),
    concludes.map(({ conclusion }) => conclusion.requestId),
    concludes.map(({ conclusion }) => conclusion.attempt),
    concludes.map(({ conclusion }) => conclusion.state),
    concludes.map(({ conclusion }) => conclusion.at),
    concludes.map(({ conclusion }) => conclusion.nextAttemptAt ?? null),
    concludes.map(({ conclusion }) => storableOrNull(conclusion.error?.code)),
    concludes.map(({ conclusion }) => storableOrNull(conclusion.error?.message)),
    concludes.map(({ lease }) => lease.scope),
    concludes.map(({ lease }) => lease.fence),
    said.map(({ call }) => call),
    said.map(({ seq }) => seq),
    said.map(({ key }) => storable(key)),
    said.map(({ changeId }) => changeId),
    said.map(({ state }) => state),
    said.map(({ code }) => storable(code)),
    said.map(({ message }) => storable(message)),
    again,
    concludes.map(({ conclusion }) => storableOrNull(conclusion.job?.reference)),
    concludes.map(({ conclusion }) => conclusion.job?.acceptedAt ?? null),
    taken.map(({ call }) => call),
    taken.map(({ reference }) => reference),
    taken.map(({ seq }) => seq),
    taken.map(({ changeId }) => changeId),
    taken.map(({ keyHash }) => keyHash),
  ]
  const { rows } = await connection.query({ text: concluding, values })
  const answered = rows as readonly { readonly newest: number | null; readonly won: boolean; readonly done: boolean }[]
  return concludes.map(({ lease }, call) => {
    const { newest, won, done } = answered[call] ?? { newest: null, won: false, done: false }
    if (newest !== lease.fence) return { answer: refused(oldFence(lease)), isNew: false }
    return { answer: { kind: 'concluded', won: won || done }, isNew: won }
  })
}

/** Of several words about one change the last counts. */
function lastOfEach(exceptions: readonly ChangeException[]): readonly ChangeException[] {
  return [...new Map(exceptions.map(exception => [exception.seq, exception])).values()]
}

function unanswered(): TypeError {
  return new TypeError('a commit left a send unanswered')
}

function refused(error: unknown): Answer {
  return { kind: 'refused', error }
}
