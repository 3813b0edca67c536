/** What goes wrong between this tool and BigQuery: answers that are lost, that say to wait, that refuse. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { openBigquery } from '../../src/warehouse/bigquery.ts'
import { raw, render } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { type BigqueryServer, type Fault, startBigquery } from '../bigquery/server.ts'
import { noSecrets, openState, settingsFor } from '../bigquery/state.ts'
import { collect, once } from '../conformance/warehouse/trial.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'

describe.skipIf(zetasqlMissing !== undefined)('BigQuery in trouble', () => {
  let server: BigqueryServer
  let warehouse: Warehouse
  let table: string
  beforeAll(async () => {
    server = await startBigquery()
    warehouse = (await openState(server)).warehouse
    const parts = [...warehouse.state, 'counted']
    await warehouse.load(parts, [{ name: 'n', type: 'integer' }], once([['1'], ['2'], ['3']]))
    table = warehouse.dialect.relation(parts)
  })
  afterAll(async () => {
    await warehouse.close()
    await server.stop()
  })
  afterEach(async () => {
    await warehouse.execute({ sql: `delete from ${table} where n > 3`, params: [] })
  })

  const numbers = async () =>
    (await warehouse.query({ sql: `select n from ${table} order by n`, params: [] })).map(({ n }) => n)
  const insert = () => warehouse.execute({ sql: `insert into ${table} (n) values (4)`, params: [] })
  const problemOf = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(ActivateError)
    const { exit, problems } = error as ActivateError
    return { exit, ...problems[0] }
  }

  test.each<[string, string, Fault]>([
    ['the answer to a job is lost', 'POST /jobs', 'lost'],
    ['BigQuery is not there for a moment', 'POST /jobs', { status: 503, reason: 'backendError' }],
    ['it has too many requests', 'POST /jobs', { status: 429, reason: 'rateLimitExceeded' }],
    ['the question for the result is lost', 'GET /queries', 'lost'],
    ['the question for the result fails', 'GET /queries', { status: 503, reason: 'backendError' }],
    ['the job takes its time', 'GET /queries', 'incomplete'],
    ['the job fails for a passing reason', 'POST /jobs', { jobFails: 'jobBackendError' }],
    [
      'another transaction is in the way',
      'POST /jobs',
      { jobFails: 'invalidQuery', message: 'Transaction is aborted due to concurrent update against table' },
    ],
  ])('a statement takes effect once when %s', async (_what, request, fault) => {
    server.inject(request, fault)
    await insert()
    expect(await numbers()).toEqual([1, 2, 3, 4])
  })

  test('a load takes effect once when its answer is lost', async () => {
    server.inject('POST /jobs', 'lost')
    const parts = [...warehouse.state, 'loaded']
    expect(await warehouse.load(parts, [{ name: 'n', type: 'integer' }], once([['1'], ['2']]))).toBe(2)
    const sql = `select count(*) as n from ${warehouse.dialect.relation(parts)}`
    expect(await warehouse.query({ sql, params: [] })).toEqual([{ n: 2 }])
  })

  test('a job id is asked for twice, and a failed job never again', async () => {
    const before = server.statements.length
    server.inject('POST /jobs', 'lost')
    await insert()
    server.inject('POST /jobs', { jobFails: 'jobInternalError' })
    await insert()
    // The statement of the failed job was never begun.
    expect(server.statements.slice(before)).toHaveLength(2)
    expect(await numbers()).toEqual([1, 2, 3, 4, 4])
  })

  test('a page that is lost is asked for again, and no row is missing or twice there', async () => {
    const stream = warehouse.stream({ sql: `select n from ${table} order by n`, params: [] }, { chunkRows: 1 })
    server.inject('GET /queries', 'lost', 2)
    expect(await collect(stream)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  test.each<[string, Fault, object]>([
    ['quota', { jobFails: 'quotaExceeded' }, { exit: 'failed', code: 'A3056' }],
    ['size', { jobFails: 'responseTooLarge' }, { exit: 'failed', code: 'A3057' }],
    [
      'a token that is none',
      { status: 401, reason: 'authError', message: 'Invalid Credentials' },
      { exit: 'credentials', code: 'A3051' },
    ],
    [
      'reading a source',
      {
        jobFails: 'accessDenied',
        message:
          'Access Denied: Table shop:sales.orders: User does not have permission to query table shop:sales.orders, bigquery.tables.getData denied',
      },
      { exit: 'failed', code: 'A3053', help: expect.stringContaining('GRANT `roles/bigquery.dataViewer` ON SCHEMA') },
    ],
    [
      'jobs',
      {
        status: 403,
        reason: 'accessDenied',
        message: 'Access Denied: Project acme: User does not have bigquery.jobs.create permission in project acme.',
      },
      { exit: 'failed', code: 'A3053', help: expect.stringContaining('gcloud projects add-iam-policy-binding acme') },
    ],
  ])('a refusal for want of %s says what to do, and is not repeated', async (_what, fault, expected) => {
    const before = server.requests.filter(request => request === 'POST /jobs').length
    server.inject('POST /jobs', fault)
    expect(await problemOf(insert())).toMatchObject(expected)
    expect(server.requests.filter(request => request === 'POST /jobs')).toHaveLength(before + 1)
    expect(await numbers()).toEqual([1, 2, 3])
  })

  test('a table that is gone is an error, and never an empty one', async () => {
    expect(await problemOf(warehouse.query({ sql: 'select * from `state_1.gone`', params: [] }))).toMatchObject({
      ...{ exit: 'failed', code: 'A3010', message: expect.stringContaining('state_1.gone was not found') },
    })
  })

  test('a source in another location is told by both', async () => {
    expect(await problemOf(warehouse.query({ sql: 'select * from `elsewhere.orders`', params: [] }))).toMatchObject({
      ...{ code: 'A3054', message: expect.stringContaining('no such dataset in EU') },
    })
  })

  test('a query over the budget is refused before it reads', async () => {
    const { warehouse: thrifty, cleanup } = await openState(server, { state: 'state_1', maximum_bytes_billed: '10B' })
    expect(await problemOf(thrifty.query({ sql: `select n from ${table}`, params: [] }))).toMatchObject({
      ...{ exit: 'failed', code: 'A3055', message: expect.stringContaining('(10B)') },
    })
    await cleanup()
  })

  test.each<[string, object, object]>([
    [
      'a state in another location',
      { state: 'state_1', location: 'US' },
      { code: 'A3059', message: expect.stringContaining('is in EU') },
    ],
    ['an endpoint without encryption', { endpoint: 'http://bigquery.example' }, { code: 'A3059' }],
    ['a budget that is no number', { maximum_bytes_billed: 'much' }, { code: 'A3059' }],
    [
      'a key that is none',
      { endpoint: 'https://localhost:1', credentials: ['{}'] },
      { exit: 'credentials', code: 'A3051', message: expect.stringContaining('client_email') },
    ],
    [
      'a project that is not named',
      { project: undefined },
      { exit: 'invalid', code: 'A3059', message: expect.stringContaining('project') },
    ],
  ])('%s is refused at the opening', async (_what, more, expected) => {
    expect(await problemOf(openBigquery({ ...settingsFor(server), ...more }, noSecrets))).toMatchObject(expected)
  })

  test('an emulator of the environment would get every token, and is refused', async () => {
    const readers = { ...noSecrets, env: { BIGQUERY_EMULATOR_HOST: 'localhost:9050' } }
    expect(await problemOf(openBigquery(settingsFor(server), readers))).toMatchObject({ code: 'A3059' })
  })

  test('scratch tables end with the warehouse', async () => {
    const { warehouse: other, cleanup } = await openState(server)
    const select = other.dialect.createTableAs(other.dialect.scratch('night'), raw('select 1 as n'), { scratch: true })
    await other.execute(render(select, other.dialect.placeholder))
    const names = () => [...server.engine.tables.keys()].filter(name => name.startsWith(`${other.state[0]}.`))
    expect(names()).toHaveLength(1)
    await cleanup()
    expect(names()).toEqual([])
  })
})
