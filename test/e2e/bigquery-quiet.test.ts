/** Nights on BigQuery in which nothing can have changed: not one job is made for them, and any doubt has the night computed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { rememberPeople, resolvePeople } from '../../src/plan/identity/people.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import type { Identity } from '../../src/project/policies.ts'
import { findPerson, forgetInWarehouse } from '../../src/run/erase-warehouse.ts'
import type { RunSummary } from '../../src/run/summary.ts'
import { type RunOptions, runSyncs } from '../../src/run.ts'
import { systemClock } from '../../src/wire.ts'
import type { StoredTable } from '../bigquery/engine.ts'
import { type BigqueryServer, startBigquery, testProject } from '../bigquery/server.ts'
import { openState } from '../bigquery/state.ts'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'

const source = 'shop.customers'
const columns = ['id', 'name'].map(name => ({ name, type: typeOf('STRING') }))

function tableOf(names: readonly string[], more: Partial<StoredTable> = {}): StoredTable {
  const rows = names.map((name, index) => [{ stringValue: String(index + 1) }, { stringValue: name }])
  return { kind: 'TABLE', columns, rows, ...more }
}

const model = `/*---
key: id
---*/
select c.id, c.name from {{source "customers"}} as c
`
const sync = `model: customers
destination: files
action: write
mode: upsert
fields:
  name: name
`

function projectFile(url: string, more = ''): string {
  return `name: quiet
timezone: UTC
identity: { entity: customer, key: id }
warehouse: { type: bigquery, project: ${testProject}, endpoint: "${url}" }
sources:
  customers: { table: shop.customers${more} }
destinations:
  files: { type: file, path: out }
`
}

describe.skipIf(zetasqlMissing !== undefined)('a night on BigQuery', () => {
  let server: BigqueryServer
  beforeAll(async () => {
    server = await startBigquery()
    server.engine.datasets.set('shop', 'EU')
  })
  afterAll(() => server.stop())

  test('opens a state that is there without a job', async () => {
    const { warehouse, cleanup } = await openState(server, { state: 'opened' })
    await prepareState(warehouse, 'crm')
    await cleanup()
    const again = await openState(server, { state: 'opened' })
    const before = server.requests.length
    await prepareState(again.warehouse, 'crm')
    const asked = server.requests.slice(before)
    expect(asked.filter(request => request.includes('/jobs'))).toEqual([])
    expect(asked.length).toBeGreaterThan(10)
    await again.cleanup()
  })

  test('remembers who is who in tables that are made once', async () => {
    const identity: Identity = {
      ...{ entity: 'customer', key: 'id', identifiers: [], links: [], maxCluster: 50, minConfidence: 0 },
      place: { file: 'activate.yml', line: 3, column: 1 },
    }
    const tablesMade = async (name: string) => {
      const { warehouse, cleanup } = await openState(server, { state: 'people' })
      const before = server.statements.length
      const people = await resolvePeople(warehouse, identity, { name, asOf: '2026-03-01T02:00:00Z', links: [] })
      await rememberPeople(warehouse, people, name)
      await cleanup()
      const statements = server.statements.slice(before)
      expect(statements.length).toBeGreaterThan(2)
      return statements.filter(statement => /create table if not exists|alter table/i.test(statement)).length
    }
    expect([await tablesMade('first'), await tablesMade('second')]).toEqual([2, 0])
  })

  describe('of a sync', () => {
    let project: TestProject
    const write = (files: Readonly<Record<string, string>>) => project.write(files)
    beforeAll(async () => {
      project = await makeProject({
        'activate.yml': projectFile(server.url),
        'models/customers.sql': model,
        'syncs/crm.yml': sync,
      })
      server.engine.tables.set(source, tableOf(['Ann', 'Bob']))
    })
    afterAll(() => project.remove())

    let hour = 0
    const night = async (more: Partial<RunOptions> = {}): Promise<RunSummary & { readonly jobs: number }> => {
      const before = server.requests.length
      hour += 1
      const asOf = new Date(Date.UTC(2026, 2, 1, hour)).toISOString()
      const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, runOptions(asOf, more)))
      const [run] = runs
      if (run === undefined) throw new Error('no run')
      const jobs = server.requests.slice(before).filter(request => request === 'POST /jobs').length
      return { ...run, jobs }
    }
    const inLedger = (work: (ledger: Ledger) => Promise<unknown>) =>
      withProject(project, async wired => void (await work(await wired.ledger())))
    /** Nights until one is quiet: the one after a change sends it, the next finds nothing. */
    const untilQuiet = async () => {
      for (let nights = 0; nights < 4; nights += 1) if ((await night()).unchanged_since !== undefined) return
      throw new Error('no night is quiet')
    }

    test('is proven to be empty after one that was, makes no job, and is recorded like any other', async () => {
      const first = await night()
      expect([first.problems, first.outcomes.acked]).toEqual([undefined, 2])
      const second = await night()
      expect(second).toMatchObject({ status: 'succeeded', plan: { changes: { enter: 0, change: 0, leave: 0 } } })
      expect([second.unchanged_since, second.jobs > 0]).toEqual([undefined, true])
      for (const third of [await night(), await night()]) {
        expect(third).toMatchObject({ status: 'succeeded', jobs: 0, unchanged_since: second.run_id, plan: second.plan })
        await inLedger(async ledger => {
          const [recorded] = await ledger.runs({ runId: third.run_id })
          expect(recorded).toMatchObject({ status: 'succeeded', settled: true, planHash: second.plan?.plan_hash })
        })
      }
    })

    const optOut = { kind: 'id', hash: 'f'.repeat(64), reason: 'opt_out' }
    const deed = { actor: 'ada', at: Date.UTC(2026, 2, 1), reason: 'asked' }
    const custom = (more: object) => server.engine.tables.set(source, tableOf(['Ann', 'Bob'], { more }))
    const plainTable = () => void server.engine.tables.set(source, tableOf(['Ann', 'Bob']))
    /** Each is followed by a night that is computed; `mended` takes away what would have every later night computed as well. */
    test.each<[string, () => unknown, number, (() => unknown)?]>([
      ['a row more', () => server.engine.tables.set(source, tableOf(['Ann', 'Bob', 'Cy'])), 1],
      ['a row changed', () => server.engine.tables.set(source, tableOf(['Ann', 'Bo', 'Cy'])), 1],
      ['the same rows loaded anew', plainTable, 1],
      ['rows that stream in', () => custom({ streamingBuffer: { estimatedRows: '1' } }), 0, plainTable],
      ['a table that ends', () => custom({ expirationTime: '1' }), 0, plainTable],
      ['partitions that end', () => custom({ timePartitioning: { type: 'DAY', expirationMs: '1' } }), 0, plainTable],
      [
        'a view in the place of the table',
        () => {
          server.engine.tables.set('shop.behind', tableOf(['Ann', 'Bob']))
          server.engine.tables.set(source, tableOf([], { kind: 'VIEW', select: 'select * from `shop.behind`' }))
        },
        0,
        plainTable,
      ],
      ['an opt-out', () => inLedger(ledger => ledger.suppress([optOut], deed)), 0],
      [
        'a hold that came and went',
        () =>
          inLedger(async ledger => {
            await ledger.hold({ scope: 'sync:crm', actor: 'ada', at: deed.at, reason: 'looking' })
            await ledger.releaseHold('sync:crm', deed)
          }),
        0,
      ],
      ['another mapping', () => write({ 'syncs/crm.yml': `${sync}  nick: name\n` }), 2],
      ['another model', () => write({ 'models/customers.sql': model.replace('c.name', 'upper(c.name) as name') }), 2],
      [
        'a snapshot that somebody went back with',
        () => {
          const name = 'activate.snapshot__crm'
          const table = server.engine.tables.get(name)
          if (table !== undefined) server.engine.tables.set(name, { ...table, rows: [] })
        },
        2,
      ],
    ])('is computed after %s', async (_what, change, acked, mended) => {
      await untilQuiet()
      await change()
      const next = await night()
      expect([next.problems, next.unchanged_since, next.jobs > 0, next.outcomes.acked]).toEqual([
        undefined,
        undefined,
        true,
        acked,
      ])
      if (mended === undefined) return
      expect((await night()).unchanged_since).toBeUndefined()
      await mended()
    })

    test('is computed when it is asked to resync or to send a part, and after one that failed', async () => {
      await untilQuiet()
      expect((await night({ fullResync: true })).outcomes.acked).toBe(2)
      await untilQuiet()
      expect((await night({ limit: 1 })).unchanged_since).toBeUndefined()
      await untilQuiet()
      await write({ 'models/customers.sql': model.replace('select', 'select nothing,') })
      expect((await night()).status).toBe('failed')
      await write({ 'models/customers.sql': model })
      expect((await night()).unchanged_since).toBeUndefined()
    })

    test('sends what changed while the night before it was at work', async () => {
      await untilQuiet()
      // The model is computed anew, and what changes right after it is not in it.
      plainTable()
      const during = await night({
        onProgress: ({ step }) => {
          if (step === 'plan') server.engine.tables.set(source, tableOf(['Ann', 'Bob', 'Dee']))
        },
      })
      expect([during.outcomes.acked, during.plan?.changes.enter]).toEqual([0, 0])
      const after = await night()
      expect([after.unchanged_since, after.outcomes.acked]).toEqual([undefined, 1])
    })

    test('keeps the snapshot as it was before a run changed it; whoever is erased is in no copy', async () => {
      const ahead = (minutes: number) => ({ ...systemClock, now: () => Date.now() + minutes * 60_000 })
      const nightAt = async (minutes: number, names: readonly string[]) => {
        server.engine.tables.set(source, tableOf(names))
        const options = runOptions(new Date(Date.UTC(2026, 2, 2, 0, minutes)).toISOString())
        const clock = ahead(minutes)
        const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, options), { clock })
        expect(runs[0]?.problems).toBeUndefined()
        return `activate.undo__${runs[0]?.run_id}`
      }
      const copies = () => [...server.engine.tables.keys()].filter(name => name.startsWith('activate.undo__crm__'))
      const before = server.engine.tables.get('activate.snapshot__crm')?.rows
      const first = await nightAt(60, ['Eve'])
      expect(server.engine.tables.get(first)).toMatchObject({ kind: 'SNAPSHOT', rows: before })
      const had = copies().length
      await nightAt(70, ['Fay'])
      expect(copies()).toHaveLength(had)
      const second = await nightAt(120, ['Gus'])
      const third = await nightAt(180, ['Gus'])
      expect(copies()).toContain(second)
      expect(copies()).not.toContain(third)

      await withProject(project, async wired => {
        const warehouse = await wired.warehouse()
        await forgetInWarehouse(warehouse, await findPerson(warehouse, wired.project, '1'))
      })
      expect(copies()).toEqual([])
    })

    test('fails when its source is dropped midway, leaves the snapshot as it was, and the next one is right', async () => {
      server.engine.tables.set(source, tableOf(['Ann', 'Hal']))
      const held = server.engine.tables.get('activate.snapshot__crm')
      const { problems, outcomes } = await night({
        onProgress: ({ step }) => {
          if (step === 'materialise') server.engine.tables.delete(source)
        },
      })
      expect([problems?.[0]?.code, problems?.[0]?.message]).toEqual([
        'A3010',
        expect.stringContaining('shop.customers'),
      ])
      expect(outcomes.acked).toBe(0)
      expect(server.engine.tables.get('activate.snapshot__crm')).toBe(held)
      server.engine.tables.set(source, tableOf(['Ann', 'Hal']))
      expect((await night()).outcomes.acked).toBe(2)
    })

    test.each<[string, { readonly model?: string; readonly more?: string }]>([
      [
        'reads the clock of the run',
        { model: model.replace('c.name', `concat(c.name, cast({{run_date}} as string)) as name`) },
      ],
      [
        'reads the clock on the wall',
        { model: model.replace('c.name', 'if(current_date() is null, null, c.name) as name') },
      ],
      [
        'reads a table of its own',
        { model: model.replace('as c', 'as c join `shop.behind` as b using (id)').replace('c.id', 'id') },
      ],
      ['promises to be fresh', { more: ', freshness: { column: seen_at, max_age: 9999d }' }],
    ])('is always computed for a model that %s', async (_what, { model: text = model, more = '' }) => {
      const withTime = { ...tableOf(['Ann', 'Bob']), columns: [...columns, { name: 'seen_at', type: typeOf('DATE') }] }
      const rows = withTime.rows.map(row => [...row, { dateValue: 20_000 }])
      server.engine.tables.set(source, { ...withTime, rows })
      await write({ 'activate.yml': projectFile(server.url, more), 'models/customers.sql': text })
      for (let nights = 0; nights < 3; nights += 1) {
        const { problems, unchanged_since } = await night()
        expect([problems, unchanged_since]).toEqual([undefined, undefined])
      }
    })
  })
})
