/** Forgets people, keeps their tombstones, and prunes what is old. */
import { appendEntry, lockTrail } from './audit.ts'
import type { Bind, Database } from './database.ts'
import type { Erasures, LedgerCutoffs, LedgerTraces, Tally } from './erasure.ts'
import { hashOfKey } from './key-hashes.ts'
import { dropStrayReports, forgetReceipts } from './reports.ts'
import type { LedgerKey } from './seal.ts'
import { type Tombstone, tombstoneMakerWith } from './tombstone.ts'

interface TombstoneRow {
  hash: string
  bucket: string
  key_id: string
  state: Tombstone['state']
  erased_at: number
  expires_at: number
}

interface HousekeepingRow {
  task: string
  done_at: number
}

const chunkRows = 1_000
const keysPerStatement = 500

/** Texts in which a person may be named: what a destination answered, what a run stumbled over, what a plan showed. */
const texts = [
  { table: 'runs', column: 'plan', what: 'plans', plan: true, key: undefined },
  { table: 'runs', column: 'error_message', what: 'error messages', plan: false, key: undefined },
  { table: 'requests', column: 'error_message', what: 'error messages', plan: false, key: undefined },
  { table: 'request_changes', column: 'message', what: 'error messages', plan: false, key: 'key_hash' },
] as const

/** A text that has to be another one. */
interface Edit {
  readonly table: string
  readonly column: string
  readonly what: string
  readonly ordinal: number
  readonly text: string
}

export function erasuresOf(database: Database, key: () => Promise<LedgerKey>): Erasures {
  const { knex } = database

  return {
    bury: (tombstones, entry) =>
      database.write(async bind => {
        await lockTrail(database, bind)
        const rows = tombstones.map(({ hash, bucket, keyId, state, erasedAt, expiresAt }) => ({
          ...{ hash, bucket, key_id: keyId, state, erased_at: erasedAt, expires_at: expiresAt },
        }))
        for (const row of rows) await bind(knex<TombstoneRow>('erasures').insert(row).onConflict('hash').merge())
        await appendEntry(database, bind, entry)
      }),

    tombstoneMaker: async () => tombstoneMakerWith(await key()),

    async tombstones(now) {
      const query = knex<TombstoneRow>('erasures').where('expires_at', '>', now).orderBy('hash')
      const rows: readonly TombstoneRow[] = await database.read(query)
      return rows.map(({ hash, bucket, key_id, state, erased_at, expires_at }) => ({
        ...{ hash, bucket, keyId: key_id, state, erasedAt: erased_at, expiresAt: expires_at },
      }))
    },

    async countTraces(traces) {
      const hashes = await hashesOf(database, traces.keys, key)
      const edits = await editsFor(database, traces, hashes)
      const changes = await countRows(database, 'request_changes', hashes)
      const letters = await countRows(database, 'dead_letters', hashes)
      const receipts = await countRows(database, 'receipts', hashes)
      return tallyOf([
        ...edits.map(({ what }) => [what, 1] as const),
        ['dead letters', letters],
        ['receipts', receipts],
        ['requests that were not accepted', changes],
      ])
    },

    async forget(traces) {
      const hashes = await hashesOf(database, traces.keys, key)
      const edits = await editsFor(database, traces, hashes)
      return database.write(async bind => {
        const letters = await forgetRows(database, bind, 'dead_letters', hashes)
        const changes = await forgetRows(database, bind, 'request_changes', hashes)
        const receipts = await forgetReceipts(database, bind, { column: 'key_hash', values: hashes })
        for (const { table, column, ordinal, text } of edits)
          await bind(
            knex(table)
              .where({ ordinal })
              .update({ [column]: text }),
          )
        return tallyOf([
          ...edits.map(({ what }) => [what, 1] as const),
          ['dead letters', letters],
          ['receipts', receipts],
          ['requests that were not accepted', changes],
        ])
      })
    },

    purge: () => database.purge(),

    async countOld(cutoffs) {
      const { samples, requests, changes } = oldOf(database, cutoffs)
      const count = async (query: typeof samples) => {
        const [row] = query === undefined ? [] : await database.read(query.clone().count({ n: '*' }))
        return Number(row?.n ?? 0)
      }
      return tallyOf([
        ['plans with samples', await count(samples)],
        ['requests', await count(requests)],
        ['requests that were not accepted', await count(changes)],
      ])
    },

    prune: (cutoffs, now) =>
      database.write(async bind => {
        const { samples, requests, changes } = oldOf(database, cutoffs)
        const plans = samples === undefined ? 0 : await dropSamples(database, bind, samples.clone())
        const removedChanges = changes === undefined ? 0 : await bind(changes.clone().delete())
        if (requests !== undefined) await pruneReceipts(database, bind, requests.clone(), cutoffs.requests)
        const removed = requests === undefined ? 0 : await bind(requests.clone().delete())
        const tombstones = await bind(knex('erasures').where('expires_at', '<=', now).delete())
        return tallyOf([
          ['plans with samples', plans],
          ['requests', removed],
          ['requests that were not accepted', removedChanges],
          ['tombstones', tombstones],
        ])
      }),

    async lastDone(task) {
      const row = await database.read(knex<HousekeepingRow>('housekeeping').where({ task }).first('done_at'))
      return row?.done_at
    },

    recordDone: (task, at, entry) =>
      database.write(async bind => {
        if (entry !== undefined) {
          await lockTrail(database, bind)
          await appendEntry(database, bind, entry)
        }
        await bind(knex<HousekeepingRow>('housekeeping').insert({ task, done_at: at }).onConflict('task').merge())
      }),
  }
}

/** Requests, receipts and dead letters know their person by a keyed hash. While there are none, nobody needs a key. */
async function hashesOf(
  { knex, read }: Database,
  keys: readonly string[],
  key: () => Promise<LedgerKey>,
): Promise<readonly string[]> {
  const kept = ['dead_letters', 'receipts', 'request_changes'] satisfies readonly OfPeople[]
  const some = await Promise.all(kept.map(table => read(knex(table).first('key_hash'))))
  if (some.every(row => row === undefined)) return []
  const ledgerKey = await key()
  return keys.map(each => hashOfKey(ledgerKey, each))
}

type OfPeople = 'dead_letters' | 'receipts' | 'request_changes'

async function countRows({ knex, read }: Database, table: OfPeople, hashes: readonly string[]): Promise<number> {
  let total = 0
  for (let start = 0; start < hashes.length; start += keysPerStatement) {
    const wanted = hashes.slice(start, start + keysPerStatement)
    const [row] = await read(knex(table).whereIn('key_hash', wanted).count({ n: '*' }))
    total += Number(row?.n ?? 0)
  }
  return total
}

async function forgetRows({ knex }: Database, bind: Bind, table: OfPeople, hashes: readonly string[]): Promise<number> {
  let gone = 0
  for (let start = 0; start < hashes.length; start += keysPerStatement)
    gone += await bind(
      knex(table)
        .whereIn('key_hash', hashes.slice(start, start + keysPerStatement))
        .delete(),
    )
  return gone
}

/** Reads every text once, outside of any write; only those that name the person are kept. */
async function editsFor(database: Database, traces: LedgerTraces, hashes: readonly string[]): Promise<readonly Edit[]> {
  const edits: Edit[] = []
  const gone = new Set(hashes)
  for (const { table, column, what, plan, key: own } of texts) {
    for await (const { ordinal, text, key } of textsOf(database, table, column, own)) {
      if (key !== undefined && gone.has(key)) continue // the whole row goes
      const redacted = plan ? traces.redactPlan(text) : traces.redact(text)
      if (redacted !== text) edits.push({ table, column, what, ordinal, text: redacted })
    }
  }
  return edits
}

async function* textsOf(
  { knex, read }: Database,
  table: string,
  column: string,
  key: string | undefined,
): AsyncGenerator<{ readonly ordinal: number; readonly text: string; readonly key?: string }> {
  let after = 0
  for (;;) {
    const query = knex(table)
      .whereNotNull(column)
      .where('ordinal', '>', after)
      .orderBy('ordinal')
      .limit(chunkRows)
      .select('ordinal', { text: column, ...(key === undefined ? {} : { key }) })
    const rows: readonly { ordinal: number; text: string; key?: string }[] = await read(query)
    const last = rows.at(-1)
    if (last === undefined) return
    yield* rows
    after = last.ordinal
  }
}

/** What is older than the cutoffs, as queries that may be counted, read or deleted. */
function oldOf({ knex }: Database, { samples, requests }: LedgerCutoffs) {
  const settledBefore = (at: number) => knex('runs').where({ settled: 1 }).where('started_at', '<', at)
  // What waits for a person, or for the next run, is no matter of age.
  const ended = ['acked', 'rejected', 'dead', 'cancelled']
  const old = (at: number) =>
    knex('requests')
      .whereIn('state', ended)
      .whereIn('run_id', settledBefore(at).select('run_id'))
      .whereNotIn('request_id', knex('request_changes').whereIn('state', ['parked', 'uncertain']).select('request_id'))
  return {
    samples: samples === undefined ? undefined : settledBefore(samples).whereNotNull('plan').whereRaw(holdsSamples),
    requests: requests === undefined ? undefined : old(requests),
    changes:
      requests === undefined
        ? undefined
        : knex('request_changes').whereIn('request_id', old(requests).select('request_id')),
  }
}

/** Receipts, and what was reported of them, go with their requests; what was reported of none goes when it is as old. */
async function pruneReceipts(
  database: Database,
  bind: Bind,
  old: ReturnType<Database['knex']>,
  before = 0,
): Promise<void> {
  const rows: readonly { request_id: string }[] = await bind(old.select('request_id'))
  await forgetReceipts(database, bind, { column: 'request_id', values: rows.map(row => row.request_id) })
  await dropStrayReports(database, bind, before)
}

/** A plan is JSON as this tool writes it, without spaces; a text that only looks so is read in vain, and left as it is. */
const holdsSamples = `(plan like '%"samples":[{%' or plan like '%"ineligible":[{%')`

async function dropSamples({ knex }: Database, bind: Bind, old: ReturnType<Database['knex']>): Promise<number> {
  const rows: readonly { ordinal: number; plan: string }[] = await bind(old.select('ordinal', 'plan'))
  for (const { ordinal, plan } of rows) {
    const bare = { ...(JSON.parse(plan) as Record<string, unknown>), samples: [], ineligible: [] }
    await bind(
      knex('runs')
        .where({ ordinal })
        .update({ plan: JSON.stringify(bare) }),
    )
  }
  return rows.length
}

function tallyOf(entries: readonly (readonly [what: string, rows: number])[]): Tally {
  const tally: Record<string, number> = {}
  for (const [what, rows] of entries) if (rows > 0) tally[what] = (tally[what] ?? 0) + rows
  return tally
}
