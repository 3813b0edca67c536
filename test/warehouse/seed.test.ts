import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'csv-stringify/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ActivateError, type Problem } from '../../src/project/problem.ts'
import type { ColumnType } from '../../src/project/project.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import { seedCsv } from '../../src/warehouse/seed.ts'
import type { Row, Warehouse } from '../../src/warehouse/warehouse.ts'

let folder: string
let path: string
let warehouse: Warehouse

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-seed-'))
  path = join(folder, 'orders.csv')
  const state = join(folder, 'warehouse.duckdb')
  warehouse = await openDuckdb({ type: 'duckdb', path: state, state: 'activate', attach: {}, memory: '1GB' })
})

afterAll(async () => {
  await warehouse.close()
  await rm(folder, { recursive: true })
})

const relation = () => [...warehouse.state, 'orders']

async function seed(text: string | Buffer, types: Readonly<Record<string, ColumnType | undefined>> = {}) {
  await writeFile(path, text)
  const columns = Object.entries(types).map(([name, type]) => (type === undefined ? { name } : { name, type }))
  return seedCsv(warehouse, { name: 'orders', path, columns, relation: relation() })
}

function table(): Promise<readonly Row[]> {
  return warehouse.query({ sql: `select * from ${warehouse.dialect.relation(relation())}`, params: [] })
}

async function problems(
  text: string | Buffer,
  types: Readonly<Record<string, ColumnType | undefined>> = {},
): Promise<readonly Problem[]> {
  const error = await seed(text, types).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ActivateError)) throw new Error(`expected an ActivateError, got ${String(error)}`)
  return error.problems
}

const lines = (found: readonly Problem[]) =>
  found.map(({ code, message, place }) => `${code} ${place?.line}: ${message}`)

test('loads a file by its declared types', async () => {
  const seeded = await seed('id,amount,paid,day\n00001,1.50,yes,2026-03-01\n00002, ,,\n', {
    id: 'string',
    amount: 'number',
    paid: 'boolean',
    day: 'date',
  })
  expect(seeded.rows).toBe(2)
  expect(await table()).toEqual([
    { id: '00001', amount: 1.5, paid: true, day: '2026-03-01' },
    { id: '00002', amount: null, paid: null, day: null },
  ])
})

test('infers the types of undeclared columns from all values', async () => {
  const { columns } = await seed(
    [
      'i,n,b,d,t,zip,mixed,empty,long,flag',
      '1,1,true,2026-03-01,2026-03-01T02:00:00Z,01234,1,,9223372036854775808,1',
      ',0.5,FALSE,2026-02-28,2026-03-01 02:00:00,99999,x,,1,0',
      '-3,-1e3,,,,10115,2026-03-01,,2,1',
    ].join('\n'),
  )
  expect(Object.fromEntries(columns.map(({ name, type }) => [name, type]))).toEqual({
    i: 'integer',
    n: 'number',
    b: 'boolean',
    d: 'date',
    t: 'timestamp',
    zip: 'string',
    mixed: 'string',
    empty: 'string',
    long: 'string',
    flag: 'integer',
  })
  expect((await table())[0]).toMatchObject({
    zip: '01234',
    long: '9223372036854775808',
    t: '2026-03-01T02:00:00Z',
    empty: null,
  })
})

test('reads a file with a byte order mark, CRLF, quoted line breaks and empty lines', async () => {
  await seed('\uFEFFid,note\r\n1,"two\r\nlines"\r\n\r\n2,"say ""hi"", ok"\r\n')
  expect(await table()).toEqual([
    { id: 1, note: 'two\r\nlines' },
    { id: 2, note: 'say "hi", ok' },
  ])
})

test('names row, line and column of a value that does not fit', async () => {
  const found = await problems('id,amount,day\n1,"1",2026-03-01\n2,"\n2",2026-03-01\n3,abc,2026-02-30\n', {
    amount: 'number',
    day: 'date',
  })
  expect(lines(found)).toEqual([
    "A3023 5: row 3, column amount: 'abc' is not a number",
    "A3023 5: row 3, column day: '2026-02-30' is not a date such as 2026-03-01",
  ])
})

test('names rows with too many or too few fields', async () => {
  expect(lines(await problems('a,b\n1,2\n1\n1,2,3\n'))).toEqual([
    'A3022 3: row 2 has 1 fields, the header 2',
    'A3022 4: row 3 has 3 fields, the header 2',
  ])
})

test('reports ten problems at most', async () => {
  const found = await problems(`x\n${'abc\n'.repeat(50)}`, { x: 'integer' })
  expect(found).toHaveLength(10)
})

test('refuses headers that are empty, twice there or lack a declared column', async () => {
  expect(lines(await problems('id,,ID,x\n1,2,3,4\n', { amount: 'number' }))).toEqual([
    'A3021 1: column 2 of the header has no name',
    'A3021 1: the header names ID twice',
    'A3021 1: the header lacks the declared column amount',
  ])
})

test('refuses an empty file', async () => {
  expect(lines(await problems(''))).toEqual(['A3021 1: orders is empty'])
})

test('refuses a quote that is never closed', async () => {
  const [found] = await problems('a,b\n1,2\n3,"open\n4,5\n')
  expect(found?.code).toBe('A3022')
  expect(found?.message).toContain('row 2')
})

test('refuses what is not UTF-8, and names the line', async () => {
  const found = await problems(
    Buffer.concat([Buffer.from('id,name\n1,Ann\n2,J'), Buffer.from([0xfc]), Buffer.from('rgen\n3,Bo\n')]),
  )
  expect(lines(found)).toEqual([`A3020 3: ${path} is not valid UTF-8`])
})

test('refuses a letter that the end of the file cuts off', async () => {
  const found = await problems(Buffer.from('name\nJürgen\n日').subarray(0, -1))
  expect(lines(found)).toEqual([`A3020 3: ${path} is not valid UTF-8`])
})

test('names a file that is missing', async () => {
  const missing = seedCsv(warehouse, {
    name: 'gone',
    path: join(folder, 'gone.csv'),
    columns: [],
    relation: relation(),
  })
  await expect(missing).rejects.toThrow(/A3020: .*gone.csv cannot be read/)
})

test('replaces nothing when anything is wrong', async () => {
  await seed('id\n1\n')
  await problems('id\n2\nabc\n', { id: 'integer' })
  expect(await table()).toEqual([{ id: 1 }])
})

test('loads a table without rows', async () => {
  const { rows } = await seed('id,name\n', { id: 'integer', name: undefined })
  expect(rows).toBe(0)
  expect((await warehouse.describe(warehouse.dialect.relation(relation()))).map(({ type }) => type)).toEqual([
    'integer',
    'string',
  ])
})

test('loads more rows than a chunk holds', async () => {
  const { rows } = await seed(`n\n${Array.from({ length: 12_345 }, (_, index) => index).join('\n')}\n`)
  expect(rows).toBe(12_345)
  const sum = await warehouse.query({
    sql: `select sum(n) as s from ${warehouse.dialect.relation(relation())}`,
    params: [],
  })
  expect(sum).toEqual([{ s: (12_344 * 12_345) / 2 }])
})

test('brings back every text that was written, from any cut of the file', async () => {
  const field = fc.string({ unit: 'grapheme', minLength: 1 }).filter(text => text.trim() !== '' && !text.includes('\0'))
  await fc.assert(
    fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 20 }), async texts => {
      await seed(stringify([['x', 'y'], ...texts.map(text => [text, 'end'])], { quoted: true }), { x: 'string' })
      expect((await table()).map(row => row.x).sort()).toEqual([...texts].sort())
    }),
    { numRuns: 15 },
  )
})

test('reads a file as the warehouse reads it itself', async () => {
  await seed('s,i,n\n"",1, \n x ,+2.0,.5\n', { s: 'string', i: 'integer', n: 'number' })
  const seeded = await table()
  const columns = [
    { name: 's', type: 'string' },
    { name: 'i', type: 'integer' },
    { name: 'n', type: 'number' },
  ] as const
  const direct = await warehouse.query({
    sql: `select * from ${warehouse.dialect.fileRelation({ csv: path }, columns)}`,
    params: [],
  })
  expect(seeded).toEqual(direct)
})
