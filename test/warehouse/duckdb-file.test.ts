import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ColumnType } from '../../src/project/project.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import type { Row, Warehouse } from '../../src/warehouse/warehouse.ts'

let folder: string
let warehouse: Warehouse

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-duckdb-file-'))
  const path = join(folder, 'warehouse.duckdb')
  warehouse = await openDuckdb({ type: 'duckdb', path, state: 'activate', attach: {}, memory: '1GB' })
})

afterAll(async () => {
  await warehouse.close()
  await rm(folder, { recursive: true })
})

async function read(text: string, types: Readonly<Record<string, ColumnType>> = {}): Promise<readonly Row[]> {
  const csv = join(folder, "customer's file.csv")
  await writeFile(csv, text)
  const columns = Object.entries(types).map(([name, type]) => ({ name, type }))
  return warehouse.query({ sql: `select * from ${warehouse.dialect.fileRelation({ csv }, columns)}`, params: [] })
}

test('keeps the zeros of an id that is declared a string', async () => {
  expect(await read('id,n\n00001,1\n00002,2\n', { id: 'string' })).toEqual([
    { id: '00001', n: 1 },
    { id: '00002', n: 2 },
  ])
})

test('reads blanks as NULL, but not in strings', async () => {
  const types = { i: 'integer', n: 'number', b: 'boolean', d: 'date', t: 'timestamp', j: 'json', s: 'string' } as const
  const rows = await read('i,n,b,d,t,j,s\n , ,\t, , , , \n,,,,,,\n"","","","","","",""\n', types)
  const nulls = { i: null, n: null, b: null, d: null, t: null, j: null }
  expect(rows).toEqual([
    { ...nulls, s: ' ' },
    { ...nulls, s: null },
    { ...nulls, s: null },
  ])
})

test('reads values of every declared type', async () => {
  const types = { i: 'integer', n: 'number', b: 'boolean', d: 'date', t: 'timestamp', j: 'json' } as const
  const rows = await read(
    'i,n,b,d,t,j\n 12 ,1.50,Yes,2026-03-01,2026-03-01 02:00:00,"{""a"": 1}"\n-7.0,1e3,0,1969-12-31,2026-03-01T02:00:00.5+02:00,[]\n',
    types,
  )
  expect(rows).toEqual([
    { i: 12, n: 1.5, b: true, d: '2026-03-01', t: '2026-03-01T02:00:00Z', j: '{"a": 1}' },
    { i: -7, n: 1000, b: false, d: '1969-12-31', t: '2026-03-01T00:00:00.5Z', j: '[]' },
  ])
})

test.each<[ColumnType, string, string]>([
  ['integer', '12.7', 'a whole number'],
  ['integer', '1e3', 'a whole number'],
  ['integer', '9223372036854775808', 'a whole number'],
  ['number', 'abc', 'a number'],
  ['number', 'nan', 'a number'],
  ['number', '1_000', 'a number'],
  ['number', '1e999', 'a number'],
  ['boolean', 'maybe', 'true or false'],
  ['date', '2026-02-30', 'a date such as 2026-03-01'],
  ['date', '1997-01-01x', 'a date such as 2026-03-01'],
  ['timestamp', '2026-03-01 25:00:00', 'a timestamp such as 2026-03-01T02:00:00Z'],
  ['json', '{', 'JSON'],
])('refuses, as %s, the text %j', async (type, text, noun) => {
  await expect(read(`x\n${text}\n`, { x: type })).rejects.toThrow(`A3010: column x: '${text}' is not ${noun}`)
})

test('finds the type of an undeclared column over the whole file', async () => {
  const numbers = Array.from({ length: 30_000 }, (_, index) => `${index},${index}`).join('\n')
  const rows = await read(`id,x\n${numbers}\n30000,last\n`, { id: 'integer' })
  expect(rows).toHaveLength(30_001)
  expect(rows.filter(row => row.x === 'last')).toEqual([{ id: 30_000, x: 'last' }])
})

test('says which declared column the file lacks', async () => {
  await expect(read('id\n1\n', { idx: 'string' })).rejects.toThrow(/A3010.*"idx" do not exist in the CSV/)
})

test('reads Parquet as it is', async () => {
  const parquet = join(folder, "it's.parquet")
  await warehouse.execute({
    sql: `copy (select '007' as id, 1.5 as n) to '${parquet.replaceAll("'", "''")}' (format parquet)`,
    params: [],
  })
  const relation = warehouse.dialect.fileRelation({ parquet })
  expect(await warehouse.query({ sql: `select * from ${relation}`, params: [] })).toEqual([{ id: '007', n: '1.5' }])
})
