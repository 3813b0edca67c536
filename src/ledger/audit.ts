/** The audit trail: one entry per thing that a person did to the tool, written in the transaction that does it. */
import { type AuditHead, type ChainedRow, hashOfEntry, verifyChain } from './audit-chain.ts'
import type { Bind, Database } from './database.ts'
import type { AuditAction, AuditEntry, Governance, NewAuditEntry } from './governance.ts'
import { storable } from './rows.ts'

const chunkRows = 1_000

interface HeadRow extends AuditHead {
  singleton: 1
}

/**
 * Takes the head record for the rest of the write. Whoever does so first in its write is alone with the trail and with
 * what it is about until the commit, on an engine that locks rows as well as on one that locks the file.
 */
export async function lockTrail({ knex }: Database, bind: Bind): Promise<void> {
  await bind(knex<HeadRow>('audit_head').where({ singleton: 1 }).update({ singleton: 1 }))
}

/** Appends within the write that is under way; the write must have the trail locked. */
export async function appendEntry({ knex }: Database, bind: Bind, entry: NewAuditEntry): Promise<void> {
  const head = await bind(knex<HeadRow>('audit_head').where({ singleton: 1 }).first('entries', 'hash'))
  if (head === undefined) throw new TypeError('the audit trail has no head record')
  const row = {
    ordinal: head.entries + 1,
    at: entry.at,
    ...{ actor: storable(entry.actor), action: entry.action, subject: storable(entry.subject) },
    detail: JSON.stringify(entry.detail),
    previous_hash: head.hash,
  }
  const hash = hashOfEntry(row)
  await bind(knex<ChainedRow>('audit').insert({ ...row, hash }))
  await bind(knex<HeadRow>('audit_head').where({ singleton: 1 }).update({ entries: row.ordinal, hash }))
}

export function auditOf(database: Database): Pick<Governance, 'auditLength' | 'audit' | 'verifyAudit'> {
  const { knex } = database

  return {
    async auditLength() {
      const head = await database.read(knex<HeadRow>('audit_head').where({ singleton: 1 }).first('entries'))
      if (head === undefined) throw new TypeError('the audit trail has no head record')
      return head.entries
    },

    async audit({ limit }) {
      const query = knex<ChainedRow>('audit').orderBy('ordinal', 'desc').limit(limit)
      const rows: readonly ChainedRow[] = await database.read(query)
      return rows.map(entryOf)
    },

    // Within a write, so that nobody appends between the last entry and the head record.
    verifyAudit: () =>
      database.write(async bind => {
        await lockTrail(database, bind)
        const head = await bind(knex<HeadRow>('audit_head').where({ singleton: 1 }).first('entries', 'hash'))
        return verifyChain(readChunks(database, bind), head)
      }),
  }
}

async function* readChunks({ knex }: Database, bind: Bind): AsyncGenerator<readonly ChainedRow[]> {
  let after = Number.MIN_SAFE_INTEGER
  for (;;) {
    const query = knex<ChainedRow>('audit').where('ordinal', '>', after).orderBy('ordinal').limit(chunkRows)
    const rows: readonly ChainedRow[] = await bind(query)
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows
    after = last.ordinal
  }
}

function entryOf({ previous_hash: previousHash, detail, action, ...row }: ChainedRow): AuditEntry {
  return { ...row, action: action as AuditAction, detail: JSON.parse(detail), previousHash }
}
