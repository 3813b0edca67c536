/** Dead letters in the store. They are written by `conclude`, see `sqlite-sends.ts`; here they are read and ended. */
import { hash } from 'node:crypto'
import { appendEntry, lockTrail } from './audit.ts'
import type { Bind, Database, SealedLetter } from './database.ts'
import type { DeadLetter, DeadLetters, LetterClass, LetterContent, LetterState, NewDeadLetter } from './dead-letter.ts'
import type { NewAuditEntry } from './governance.ts'
import { hashOfKey } from './key-hashes.ts'
import { guard } from './leases.ts'
import type { LedgerKey } from './seal.ts'

/** Engines limit the number of bound values of one statement. */
const idsPerStatement = 500

/** A record with more than this many bytes of fields is kept without them, so that a flood of refusals stays small. */
const mostBytes = 65_536

export interface LetterRow {
  ordinal: number
  letter_id: string
  run_id: string
  sync: string
  destination: string
  action: string
  op: string
  change_id: string
  key_hash: string
  state: LetterState
  class: LetterClass
  code: string
  attempts: number
  at: number
  expires_at: number
  replayed_at: number | null
  ended_at: number | null
  sealed: Buffer | null
}

/** Seals a letter for its row. The id follows from run and change, so that an outcome that is recorded twice is one letter. */
export function sealLetter(key: LedgerKey, letter: NewDeadLetter, retention: number): SealedLetter {
  const { runId, changeId, op, class: kind, code } = letter
  const letterId = hash('sha256', JSON.stringify([runId, changeId])).slice(0, 16)
  const { fields, ...rest } = { key: letter.key, message: letter.message, fields: letter.fields }
  const kept = fields === undefined || Buffer.byteLength(fields) > mostBytes ? rest : { ...rest, fields }
  return {
    letterId,
    ...{ runId, op, changeId, class: kind, code, retention },
    keyHash: hashOfKey(key, letter.key),
    sealed: key.seal(JSON.stringify(kept), identityOf({ letterId, runId, changeId })),
  }
}

/** What a sealed letter is bound to. */
function identityOf({ letterId, runId, changeId }: Pick<DeadLetter, 'letterId' | 'runId' | 'changeId'>) {
  return ['dead-letter', letterId, runId, changeId]
}

export function deadLettersOf(database: Database, key: () => Promise<LedgerKey>): DeadLetters {
  const { knex } = database
  const letters = () => knex<LetterRow>('dead_letters')

  async function end(bind: Bind, letterIds: readonly string[], state: LetterState, at: number): Promise<number> {
    let ended = 0
    for (const ids of chunksOf(letterIds))
      ended += await bind(
        letters().whereIn('letter_id', ids).where({ state: 'open' }).update({ state, ended_at: at, sealed: null }),
      )
    return ended
  }

  return {
    async deadLetters({ sync, state, ids, after, limit }) {
      const query = letters().orderBy('ordinal').limit(limit)
      if (sync !== undefined) query.where({ sync })
      if (state !== undefined) query.where({ state })
      if (after !== undefined) query.where('ordinal', '>', letters().where({ letter_id: after }).select('ordinal'))
      if (ids !== undefined)
        query.where(any => {
          for (const id of ids) any.orWhereRaw('substr(letter_id, 1, ?) = ?', [id.length, id])
        })
      if (ids?.length === 0) return []
      const rows: readonly LetterRow[] = await database.read(query)
      return rows.map(letterOf)
    },

    async openLetters(letterIds) {
      const opened = new Map<string, LetterContent>()
      for (const ids of chunksOf(letterIds)) {
        const rows: readonly LetterRow[] = await database.read(
          letters().whereIn('letter_id', ids).where({ state: 'open' }),
        )
        const opener = rows.length === 0 ? undefined : await key()
        for (const row of rows)
          if (opener !== undefined && row.sealed !== null)
            opened.set(row.letter_id, JSON.parse(opener.open(row.sealed, identityOf(letterOf(row)))) as LetterContent)
      }
      return opened
    },

    async countOpenLetters(by) {
      const column = by === 'sync' ? 'sync' : 'run_id'
      const query = letters()
        .where({ state: 'open' })
        .groupBy(column)
        .select<{ name: string; number: number }[]>(`${column} as name`, knex.raw('count(*) as number'))
      const rows: readonly { name: string; number: number }[] = await database.read(query)
      return new Map(rows.map(({ name, number }) => [name, Number(number)]))
    },

    noteReplay: (letterIds, at, lease, entry) =>
      database.write(async bind => {
        await guard(database, bind, lease)
        await record(database, bind, entry)
        let noted = 0
        for (const ids of chunksOf(letterIds))
          noted += await bind(letters().whereIn('letter_id', ids).where({ state: 'open' }).update({ replayed_at: at }))
        return noted
      }),

    async endLetters(letterIds, state, at, lease, entry) {
      const ended = await database.write(async bind => {
        await guard(database, bind, lease)
        await record(database, bind, entry)
        return end(bind, letterIds, state, at)
      })
      if (ended > 0) await database.forget()
      return ended
    },

    async expireLetters(now) {
      const expired = () => letters().where({ state: 'open' }).where('expires_at', '<=', now)
      // Most times there are none, and looking takes no lock.
      if ((await database.read(expired().first('letter_id'))) === undefined) return 0
      const ended = await database.write(bind =>
        bind(expired().update({ state: 'expired', ended_at: now, sealed: null })),
      )
      await database.forget()
      return ended
    },
  }
}

async function record(database: Database, bind: Bind, entry: NewAuditEntry | undefined): Promise<void> {
  if (entry === undefined) return
  await lockTrail(database, bind)
  await appendEntry(database, bind, entry)
}

function* chunksOf(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += idsPerStatement) yield ids.slice(start, start + idsPerStatement)
}

function letterOf(row: LetterRow): DeadLetter {
  return {
    letterId: row.letter_id,
    runId: row.run_id,
    ...{ sync: row.sync, destination: row.destination, action: row.action, op: row.op },
    changeId: row.change_id,
    ...{ state: row.state, class: row.class, code: row.code, attempts: row.attempts, at: row.at },
    expiresAt: row.expires_at,
    ...(row.replayed_at === null ? {} : { replayedAt: row.replayed_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  }
}
