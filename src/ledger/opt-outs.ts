/** Live opt-outs: kept by hash, in force from the moment they are committed until they are lifted. */
import { createHash } from 'node:crypto'
import { appendEntry, lockTrail } from './audit.ts'
import type { Bind, Database } from './database.ts'
import type { Governance, OptOut, Suppression } from './governance.ts'

interface SuppressionRow {
  ordinal: number
  kind: string
  hash: string
  channel: string | null
  reason: string
  actor: string
  at: number
  lifted_at: number | null
  lifted_by: string | null
}

const chunkRows = 10_000

/** SQLite binds at most 32,766 values in one statement (sqlite.org/limits.html, read 2026-11). */
const rowsOfOneInsert = 500

export function optOutsOf(
  database: Database,
): Pick<Governance, 'suppress' | 'liftSuppression' | 'suppressions' | 'newestSuppression'> {
  const { knex } = database

  return {
    suppress: (optOuts, { reason, actor, at }) =>
      database.write(async bind => {
        await lockTrail(database, bind)
        let added = 0
        for (const group of groupsOf(optOuts)) {
          const inForce = new Set((await rowsOf(database, bind, group)).map(identityOf))
          const missing = group.filter(optOut => !inForce.has(identityOf(optOut)))
          const rows = missing.map(({ kind, hash, channel }) => ({
            ...{ kind, hash, channel: channel ?? null },
            ...{ reason, actor, at },
          }))
          if (rows.length > 0) await bind(knex<SuppressionRow>('suppressions').insert(rows))
          added += rows.length
        }
        const counts = { added, already: optOuts.length - added }
        if (added > 0) {
          const detail = { reason, ...subjectDetail(optOuts), ...counts }
          await appendEntry(database, bind, { actor, at, action: 'suppress', subject: subjectOf(optOuts), detail })
        }
        return counts
      }),

    liftSuppression: (optOuts, { actor, at }) =>
      database.write(async bind => {
        await lockTrail(database, bind)
        let lifted = 0
        for (const group of groupsOf(optOuts)) {
          const wanted = new Set(group.map(identityOf))
          const found = (await rowsOf(database, bind, group)).filter(row => wanted.has(identityOf(row)))
          const ordinals = found.map(({ ordinal }) => ordinal)
          const change = { lifted_at: at, lifted_by: actor }
          lifted += await bind(knex<SuppressionRow>('suppressions').whereIn('ordinal', ordinals).update(change))
        }
        if (lifted > 0) {
          const detail = { ...subjectDetail(optOuts), lifted }
          await appendEntry(database, bind, { actor, at, action: 'lift', subject: subjectOf(optOuts), detail })
        }
        return lifted
      }),

    async *suppressions({ after = 0 } = {}) {
      let from = after
      for (;;) {
        const query = knex<SuppressionRow>('suppressions').whereNull('lifted_at').where('ordinal', '>', from)
        const rows: readonly SuppressionRow[] = await database.read(query.orderBy('ordinal').limit(chunkRows))
        const last = rows.at(-1)
        if (last === undefined) return
        yield rows.map(suppressionOf)
        from = last.ordinal
      }
    },

    async newestSuppression() {
      const row = await database.read(knex<SuppressionRow>('suppressions').orderBy('ordinal', 'desc').first('ordinal'))
      return row?.ordinal ?? 0
    },
  }
}

/** What is in force for any of these hashes, of whatever kind and channel. */
async function rowsOf({ knex }: Database, bind: Bind, optOuts: readonly OptOut[]): Promise<readonly SuppressionRow[]> {
  const hashes = optOuts.map(({ hash }) => hash)
  return bind(knex<SuppressionRow>('suppressions').whereNull('lifted_at').whereIn('hash', hashes))
}

/** Each opt-out once, in groups that fit into one statement. */
function groupsOf(optOuts: readonly OptOut[]): readonly (readonly OptOut[])[] {
  const distinct = [...new Map(optOuts.map(optOut => [identityOf(optOut), optOut])).values()]
  const groups: OptOut[][] = []
  for (let start = 0; start < distinct.length; start += rowsOfOneInsert)
    groups.push(distinct.slice(start, start + rowsOfOneInsert))
  return groups
}

function identityOf({ kind, hash, channel }: Pick<SuppressionRow, 'kind' | 'hash' | 'channel'> | OptOut): string {
  return JSON.stringify([kind, hash, channel ?? null])
}

function subjectOf(optOuts: readonly OptOut[]): string {
  return [...new Set(optOuts.map(({ kind }) => kind))].sort().join(', ')
}

/** One opt-out is named by its hash; of many, the trail keeps a digest, so that it stays short. */
function subjectDetail(optOuts: readonly OptOut[]): Readonly<Record<string, unknown>> {
  const [only, ...more] = optOuts
  const channels = [...new Set(optOuts.flatMap(({ channel }) => channel ?? []))]
  const channel = channels.length === 0 ? {} : { channel: channels.sort().join(', ') }
  if (only !== undefined && more.length === 0) return { ...channel, hash: only.hash }
  const digest = createHash('sha256').update(optOuts.map(identityOf).sort().join('\n')).digest('hex')
  return { ...channel, digest }
}

function suppressionOf({ ordinal, kind, hash, channel, reason, actor, at }: SuppressionRow): Suppression {
  return { ordinal, kind, hash, ...(channel === null ? {} : { channel }), reason, actor, at }
}
