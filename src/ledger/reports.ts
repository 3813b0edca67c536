/** Reports in the store. Receipts are written by `conclude`, see `sqlite-sends.ts`. */
import type { Bind, Database, HashedReceipt } from './database.ts'
import { hashOfKey } from './key-hashes.ts'
import type { Receipt, Report, Reports } from './report.ts'
import { storable, storableOrNull } from './rows.ts'
import type { LedgerKey } from './seal.ts'

export interface ReceiptRow {
  destination: string
  reference: string
  request_id: string
  seq: number
  change_id: string
  key_hash: string
  at: number
}

interface ReportRow {
  ordinal: number
  destination: string
  reference: string
  outcome: string
  final: 0 | 1
  code: string | null
  at: number
}

const idsPerStatement = 500

export function hashReceipt(key: LedgerKey, { key: recordKey, reference, ...receipt }: Receipt): HashedReceipt {
  return { ...receipt, reference: storable(reference), keyHash: hashOfKey(key, recordKey) }
}

export function reportsOf(database: Database, key: () => Promise<LedgerKey>): Reports {
  const { knex, read, write } = database

  return {
    report: reports =>
      write(async bind => {
        let added = 0
        for (const { destination, reference, outcome, final, code, at } of reports) {
          const row = {
            ...textsOf({ destination, reference, outcome }),
            final: final ? 1 : 0,
            code: storableOrNull(code),
            at,
          }
          const known = { destination: row.destination, reference: row.reference, outcome: row.outcome }
          if ((await bind(knex<ReportRow>('reports').where(known).first('ordinal'))) !== undefined) continue
          await bind(knex('reports').insert(row).onConflict(['destination', 'reference', 'outcome']).ignore())
          added += 1
        }
        return added
      }),

    async reportsOfKey(recordKey) {
      if ((await read(knex('receipts').first('reference'))) === undefined) return []
      const rows: readonly (ReportRow & { change_id: string })[] = await read(
        knex('reports as p')
          .join('receipts as t', onSameReference)
          .where('t.key_hash', hashOfKey(await key(), recordKey))
          .orderBy('p.ordinal')
          .select('p.*', 't.change_id'),
      )
      return rows.map(({ change_id: changeId, ...row }) => ({ ...reportOf(row), changeId }))
    },

    async countReports(runIds) {
      const counts = new Map<string, Record<string, number>>()
      for (let start = 0; start < runIds.length; start += idsPerStatement) {
        const query = knex('reports as p')
          .join('receipts as t', onSameReference)
          .join('requests as r', 'r.request_id', 't.request_id')
          .where('p.final', 1)
          .whereIn('r.run_id', runIds.slice(start, start + idsPerStatement))
          .groupBy('r.run_id', 'p.outcome')
          .orderBy(['r.run_id', 'p.outcome'])
          .select<{ run_id: string; outcome: string; n: number }[]>('r.run_id', 'p.outcome', knex.raw('count(*) as n'))
        for (const { run_id: runId, outcome, n } of await read(query))
          counts.set(runId, { ...counts.get(runId), [outcome]: Number(n) })
      }
      return counts
    },

    async syncOfReceipt(destination, reference) {
      const query = knex('receipts as t')
        .join('requests as r', 'r.request_id', 't.request_id')
        .join('runs', 'runs.run_id', 'r.run_id')
        .where({ 't.destination': destination, 't.reference': reference })
        .first<{ sync: string } | undefined>('runs.sync')
      return (await read(query))?.sync
    },
  }
}

function onSameReference(this: {
  on(left: string, right: string): { andOn(left: string, right: string): unknown }
}): void {
  this.on('p.destination', 't.destination').andOn('p.reference', 't.reference')
}

/** Takes out what is known of these requests, or of these people. */
export async function forgetReceipts(
  { knex }: Database,
  bind: Bind,
  where: { readonly column: 'request_id' | 'key_hash'; readonly values: readonly string[] },
): Promise<number> {
  let forgotten = 0
  for (let start = 0; start < where.values.length; start += idsPerStatement) {
    const values = where.values.slice(start, start + idsPerStatement)
    const gone = () => knex('receipts').whereIn(where.column, values)
    const rows: readonly Pick<ReceiptRow, 'destination' | 'reference'>[] = await bind(
      gone().select('destination', 'reference'),
    )
    for (const { destination, reference } of rows)
      await bind(knex('reports').where({ destination, reference }).delete())
    forgotten += await bind(gone().delete())
  }
  return forgotten
}

/** Reports of what nobody has a receipt for, such as that of another tool at the same account. */
export async function dropStrayReports({ knex }: Database, bind: Bind, before: number): Promise<void> {
  const known = knex('receipts as t')
    .whereRaw('t.destination = reports.destination and t.reference = reports.reference')
    .select(knex.raw('1'))
  await bind(knex('reports').where('at', '<', before).whereNotExists(known).delete())
}

function textsOf<Texts extends Readonly<Record<string, string>>>(texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, storable(text)])) as Texts
}

function reportOf({ destination, reference, outcome, final, code, at }: ReportRow): Report {
  return { destination, reference, outcome, final: final === 1, ...(code === null ? {} : { code }), at }
}
