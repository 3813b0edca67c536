/** Large results over the Storage Read API: which way they come, what goes wrong on it, and that the rows are the same. */
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { BigquerySettings } from '../../src/warehouse/bigquery-connect.ts'
import type { StorageLimits } from '../../src/warehouse/bigquery-storage.ts'
import type { Row, StreamOptions, Warehouse } from '../../src/warehouse/warehouse.ts'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { openState } from '../bigquery/state.ts'
import { type RowsFault, type StorageFault, type StorageServer, startStorage, status } from '../bigquery/storage.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'

const count = 1000
const rowsPerMessage = 100
/** `seq` from 1 on, and something that tells rows apart. */
const many = `with ten as (select d from unnest(generate_array(0, 9)) as d)
select a.d * 100 + b.d * 10 + c.d + 1 as seq, concat('row ', cast(a.d * 100 + b.d * 10 + c.d as string)) as text
from ten a, ten b, ten c`
const ordered = { sql: `select * from (${many}) q order by seq`, params: [] }
const expected: readonly Row[] = Array.from({ length: count }, (_, index) => ({ seq: index + 1, text: `row ${index}` }))

describe.skipIf(zetasqlMissing !== undefined)('large results from BigQuery', () => {
  let server: BigqueryServer
  let storage: StorageServer
  let opened: Warehouse[] = []
  let notes: { code: string; message: string }[] = []
  beforeAll(async () => {
    server = await startBigquery()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    storage = await startStorage(server, { rowsPerMessage })
    server.requests.length = 0
    notes = []
  })
  afterEach(async () => {
    for (const warehouse of opened) await warehouse.close()
    opened = []
    await storage.stop()
  })

  const open = async (more: Partial<BigquerySettings> = {}, limits: Partial<StorageLimits> = {}) => {
    const settings = { storage_endpoint: storage.url, storage_read: 'always', ...more } as const
    const { warehouse } = await openState(server, settings, limits)
    opened.push(warehouse)
    return warehouse
  }
  /** To which a thousand rows are many. */
  const openAuto = (limits: Partial<StorageLimits> = {}) =>
    open({ storage_read: 'auto' }, { largeResult: count, ...limits })
  const read = async (warehouse: Warehouse, options: StreamOptions = {}, statement = ordered) => {
    const rows: Row[] = []
    const onNote = (note: { code: string; message: string }) => notes.push(note)
    for await (const chunk of warehouse.stream(statement, { numbered: 'seq', onNote, ...options })) rows.push(...chunk)
    return rows
  }
  const offsets = () => storage.reads.map(({ offset }) => offset)
  const pages = () => server.requests.filter(request => request === 'GET /queries').length

  test('come in one stream of the table that holds the result', async () => {
    expect(await read(await open())).toEqual(expected)
    expect(storage.sessions).toEqual([
      {
        parent: 'projects/acme',
        table: expect.stringMatching(/^projects\/acme\/datasets\/_\w+\/tables\/anon/),
        wanted: 1,
      },
    ])
    expect([offsets(), storage.sent(), pages()]).toEqual([[0], count, 1])
  })

  test('may begin at any number, as those of one request do', async () => {
    const range = { sql: `select * from (${many}) q where seq between 301 and 700 order by seq`, params: [] }
    expect(await read(await open(), {}, range)).toEqual(expected.slice(300, 700))
    expect(storage.sent()).toBe(400)
  })

  test('have the values that they have in pages, whatever their types', async () => {
    const columns = [
      ...['9223372036854775807', '-9223372036854775808', '9007199254740993', '0'].map(
        text => `cast('${text}' as int64)`,
      ),
      ...['-0.0', 'nan', '-inf', '1.5e300', '5e-324', '0.1'].map(text => `cast('${text}' as float64)`),
      ...[
        '99999999999999999999999999999.999999999',
        '-99999999999999999999999999999.999999999',
        '1.50',
        '-0.5',
        '0',
      ].map(text => `cast('${text}' as numeric)`),
      ...['578960446186580977117854925043439539266.34992332820282019728792003956564819967', '-1e-38', '7'].map(
        text => `cast('${text}' as bignumeric)`,
      ),
      ...["''", "'Zoë 日本 \\U0001F600 \\u0000 \\n'", "b''", "b'\\x00\\xff\\x80'", 'true', 'false'],
      ...['0001-01-01', '1969-12-31', '9999-12-31'].map(text => `date '${text}'`),
      ...['0001-01-01 00:00:00', '1969-12-31 23:59:59.999999', '9999-12-31 23:59:59.5', '2026-03-01 02:00:00'].flatMap(
        text => [`timestamp '${text}+00'`, `datetime '${text}'`],
      ),
      `json '{"b":[1,null],"a":"x"}'`,
      ...['[1, 2]', "['a', null, '']", 'array<int64>[]', "struct(1 as a, 'x' as b, [struct(null as c)] as d)"],
      ...['int64', 'float64', 'numeric', 'string', 'bytes', 'bool', 'date', 'timestamp', 'datetime', 'json'].map(
        type => `cast(null as ${type})`,
      ),
    ]
    const list = columns.map((expression, index) => `${expression} as c${index}`)
    const statement = { sql: `select n as seq, ${list.join(', ')} from unnest([1, 2]) as n order by n`, params: [] }
    const warehouse = await open()
    const inPages = await warehouse.query(statement)
    expect(inPages).toHaveLength(2)
    expect(await read(warehouse, {}, statement)).toStrictEqual(inPages)
    expect([storage.sent(), Object.keys(inPages[0] ?? {}).length]).toEqual([2, columns.length + 1])
  })

  test('come in chunks no larger than wanted', async () => {
    const sizes: number[] = []
    for await (const rows of (await open()).stream(ordered, { numbered: 'seq', chunkRows: 70 })) sizes.push(rows.length)
    expect(Math.max(...sizes)).toBe(70)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(count)
  })

  test.each<[string, Partial<BigquerySettings>, StreamOptions]>([
    ['there are too few of them', { storage_read: 'auto' }, {}],
    ['the settings say never', { storage_read: 'never' }, {}],
    ['nothing counts them', {}, { numbered: undefined as never }],
  ])('come in pages when %s', async (_when, settings, options) => {
    expect(await read(await open(settings), options)).toEqual(expected)
    expect([storage.sessions, notes]).toEqual([[], []])
  })

  test.each([
    ['UNAVAILABLE', status.UNAVAILABLE],
    ['INTERNAL, as when a connection is reset', status.INTERNAL],
    ['RESOURCE_EXHAUSTED', status.RESOURCE_EXHAUSTED],
    ['an end that comes too early', 'end' as const],
    ['the end of the connection', 'torn' as const],
  ])('go on at the first that is missing after %s', async (_what, ending) => {
    storage.inject({ on: 'rows', after: 3, ending })
    storage.inject({ on: 'rows', after: 0, ending })
    storage.inject({ on: 'rows', after: 2, ending })
    expect(await read(await open())).toEqual(expected)
    const [first, ...rest] = offsets()
    expect([first, rest.length >= 3, rest.at(-1)]).toEqual([0, true, ending === 'torn' ? expect.any(Number) : 500])
    // What a torn connection took with it is sent again; nothing else is.
    if (ending !== 'torn') expect(storage.sent()).toBe(count)
  })

  test('ask again for a session that is refused for a passing reason', async () => {
    storage.inject({ on: 'session', code: status.UNAVAILABLE }, 2)
    expect(await read(await open())).toEqual(expected)
    expect(storage.sessions).toHaveLength(3)
  })

  test.each([
    [
      'the permission is missing',
      { code: status.PERMISSION_DENIED, message: "the user does not have 'bigquery.readsessions.create' permission" },
      'A3053',
      /--role=roles\/bigquery\.readSessionUser/,
    ],
    ['there are more streams than wanted', { streams: 3 }, 'A3061', /3 streams instead of one/],
    ['the API is not enabled', { code: status.FAILED_PRECONDITION, message: 'API off' }, 'A3061', /API off/],
  ])('come in pages when %s, and a note says why', async (_when, fault, code, message) => {
    const warehouse = await openAuto()
    storage.inject({ on: 'session', ...fault })
    expect(await read(warehouse)).toEqual(expected)
    expect(notes).toEqual([{ code, message: expect.stringMatching(message) }])
    expect(storage.reads).toEqual([])
  })

  test.each<[string, StorageFault, string]>([
    ['two rows change places', { on: 'session', swapped: 432 }, 'row 433 came out of order'],
    ['the session is gone', { on: 'rows', after: 4, ending: status.NOT_FOUND, message: 'expired' }, 'expired'],
  ])('come in pages from where they are wrong when %s', async (_when, fault, message) => {
    const warehouse = await openAuto()
    storage.inject(fault)
    expect(await read(warehouse)).toEqual(expected)
    const from = 'swapped' in fault ? 433 : 401
    expect(notes).toEqual([{ code: 'A3061', message: expect.stringContaining(message) }])
    expect(notes[0]?.message).toContain(`rows are read in pages, from row ${from} on`)
    // The rows before came once, and are not asked for again.
    expect(pages()).toBe(2)
  })

  test.each<[string, StorageFault, string]>([
    ['a permission is missing', { on: 'session', code: status.PERMISSION_DENIED }, 'A3053'],
    ['credentials are refused', { on: 'session', code: status.UNAUTHENTICATED }, 'A3051'],
    ['two rows change places', { on: 'session', swapped: 0 }, 'A3061'],
    ['the session is gone', { on: 'rows', after: 1, ending: status.NOT_FOUND }, 'A3061'],
  ])('end with an error where they may come in no other way, when %s', async (_when, fault, code) => {
    const warehouse = await open()
    storage.inject(fault)
    await expect(read(warehouse)).rejects.toThrow(code)
    expect([notes, pages()]).toEqual([[], 1])
  })

  test('whatever goes wrong, are the rows of the query in its order, each once', async () => {
    const ending = fc.constantFrom<RowsFault['ending']>('end', 'torn', status.UNAVAILABLE, status.NOT_FOUND)
    const fault: fc.Arbitrary<StorageFault> = fc.oneof(
      fc.record({ on: fc.constant('rows' as const), after: fc.nat(4), ending }),
      fc.record({ on: fc.constant('session' as const), swapped: fc.nat(count - 2) }),
      fc.record({ on: fc.constant('session' as const), streams: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ on: fc.constant('session' as const), code: fc.constantFrom(status.UNAVAILABLE, status.INTERNAL) }),
    )
    const warehouse = await openAuto()
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 3 }), async faults => {
        storage.calm()
        for (const each of faults) storage.inject(each)
        expect(await read(warehouse)).toEqual(expected)
      }),
      { numRuns: 10 },
    )
  })

  test('are asked for again when a stream falls silent', async () => {
    const warehouse = await openAuto({ patience: 300 })
    storage.inject({ on: 'rows', after: 5, ending: 'silence' })
    expect(await read(warehouse)).toEqual(expected)
    expect([offsets(), notes]).toEqual([[0, 500], []])
  })

  test('end with an error, and never short, when the warehouse is closed while a stream is silent', async () => {
    const warehouse = await openAuto()
    storage.inject({ on: 'rows', after: 5, ending: 'silence' })
    const got: Row[] = []
    const reading = (async () => {
      for await (const rows of warehouse.stream(ordered, { numbered: 'seq' })) {
        got.push(...rows)
        if (got.length === 500) setTimeout(() => void warehouse.close(), 20)
      }
    })()
    await expect(reading).rejects.toThrow('A3013')
    expect(got).toEqual(expected.slice(0, 500))
  })

  test('wait for whoever reads them, and end on the server when nobody does any more', async () => {
    const long = {
      sql: `select (a.seq - 1) * 20 + d + 1 as seq from (${many}) a, unnest(generate_array(0, 19)) as d order by seq`,
      params: [],
    }
    await storage.stop()
    storage = await startStorage(server, { rowsPerMessage: 20 })
    const warehouse = await open()
    let seen = 0
    for await (const rows of warehouse.stream(long, { numbered: 'seq' })) {
      seen += rows.length
      await delay(2)
      if (seen > 1000) break
    }
    expect(storage.sent()).toBeLessThan(10_000)
    await until(() => storage.running() === 0)
  })

  test('doctor is told by which way they come', async () => {
    const told = async (warehouse: Warehouse) => warehouse.tryLargeReads?.()
    expect(await told(await open())).toEqual({ found: 'over the Storage Read API', isAmiss: false })
    expect(await told(await open({ storage_read: 'auto' }))).toEqual({
      ...{ found: 'over the Storage Read API from 200,000 rows on', isAmiss: false },
    })
    expect(await told(await open({ storage_read: 'never' }))).toMatchObject({
      found: 'in pages, as warehouse.storage_read says',
    })
    expect(await told(await open({ storage_read: 'auto', storage_endpoint: undefined as never }))).toMatchObject({
      ...{ found: expect.stringContaining('warehouse.storage_endpoint is not'), isAmiss: false },
    })
    storage.inject({ on: 'session', code: status.PERMISSION_DENIED })
    expect(await told(await open({ storage_read: 'auto' }))).toMatchObject({
      ...{ found: expect.stringMatching(/^in pages: /), isAmiss: true },
      help: expect.stringContaining('roles/bigquery.readSessionUser'),
    })
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10)
}
