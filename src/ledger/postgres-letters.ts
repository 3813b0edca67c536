/** Dead letters in Postgres, written in the transaction of the conclusion that they come with. */
import type { SealedLetter } from './database.ts'
import type { Connection } from './postgres-connection.ts'

export interface LetterOf {
  readonly requestId: string
  readonly at: number
  readonly letter: SealedLetter
}

/** What is still open for the same keys: the newest refusal of a key is the one that counts. */
const superseding = `
  update dead_letters d set state = 'superseded', ended_at = i.at, sealed = null
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as i (letter_id, run_id, key_hash, at)
  join runs on runs.run_id = i.run_id
  where d.sync = runs.sync and d.key_hash = i.key_hash and d.state = 'open' and d.letter_id <> i.letter_id
  returning i.letter_id, d.change_id, d.attempts`

/** A letter that is recorded once more, by a later attempt of its request, stays as it is but for what was said last. */
const burying = `
  insert into dead_letters (letter_id, run_id, sync, destination, action, op, change_id, key_hash, state, class, code,
    attempts, at, expires_at, sealed)
  select i.letter_id, r.run_id, runs.sync, r.destination, r.action, i.op, i.change_id, i.key_hash, 'open', i.class, i.code,
    i.attempts, i.at, i.expires_at, i.sealed
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bytea[]) with ordinality
    as i (letter_id, request_id, op, change_id, key_hash, class, code, attempts, at, expires_at, sealed, n)
  join requests r on r.request_id = i.request_id join runs on runs.run_id = r.run_id order by i.n
  on conflict (letter_id) do update set class = excluded.class, code = excluded.code, sealed = excluded.sealed
    where dead_letters.state = 'open'`

interface Superseded {
  readonly letter_id: string
  readonly change_id: string
  readonly attempts: number
}

/** Within the transaction that is under way. */
export async function bury(connection: Connection, letters: readonly LetterOf[]): Promise<void> {
  for (const lot of lotsOf(letters)) await buryLot(connection, lot)
}

/** Two letters of one key go one after the other, so that the second supersedes the first. */
function lotsOf(letters: readonly LetterOf[]): readonly (readonly LetterOf[])[] {
  const lots: LetterOf[][] = []
  const lotOf = new Map<string, number>()
  for (const each of letters) {
    const lot = (lotOf.get(each.letter.keyHash) ?? -1) + 1
    lotOf.set(each.letter.keyHash, lot)
    const sharing = lots[lot]
    if (sharing === undefined) lots.push([each])
    else sharing.push(each)
  }
  return lots
}

async function buryLot(connection: Connection, letters: readonly LetterOf[]): Promise<void> {
  const ids = letters.map(({ letter }) => letter.letterId)
  const hashes = letters.map(({ letter }) => letter.keyHash)
  const instants = letters.map(({ at }) => at)
  const runs = letters.map(({ letter }) => letter.runId)
  const { rows } = await connection.query({ text: superseding, values: [ids, runs, hashes, instants] })
  const before = new Map((rows as readonly Superseded[]).map(row => [row.letter_id, row]))
  const attemptsOf = ({ letterId, changeId }: SealedLetter): number => {
    const earlier = before.get(letterId)
    return earlier?.change_id === changeId ? earlier.attempts + 1 : 1
  }
  const values = [
    ids,
    letters.map(({ requestId }) => requestId),
    letters.map(({ letter }) => letter.op),
    letters.map(({ letter }) => letter.changeId),
    hashes,
    letters.map(({ letter }) => letter.class),
    letters.map(({ letter }) => letter.code),
    letters.map(({ letter }) => attemptsOf(letter)),
    instants,
    letters.map(({ at, letter }) => at + letter.retention),
    letters.map(({ letter }) => letter.sealed),
  ]
  await connection.query({ text: burying, values })
}
