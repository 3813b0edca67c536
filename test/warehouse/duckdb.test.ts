import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import type { OpenedWarehouse } from '../conformance/warehouse/trial.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'

type Settings = Parameters<typeof openDuckdb>[0]

function settings(folder: string, more: Partial<Settings> = {}): Settings {
  return {
    type: 'duckdb',
    path: join(folder, 'state', 'warehouse.duckdb'),
    state: 'activate',
    attach: {},
    memory: '1GB',
    ...more,
  }
}

async function openFresh(): Promise<OpenedWarehouse> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-duckdb-'))
  const warehouse = await openDuckdb(settings(folder))
  const cleanup = async () => {
    await warehouse.close()
    await rm(folder, { recursive: true })
  }
  return { warehouse, cleanup }
}

describeWarehouse('DuckDB', openFresh, { storesNul: true, runsInParallel: false })

let folder: string
let opened: Warehouse[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-duckdb-'))
  opened = []
})

afterEach(async () => {
  for (const warehouse of opened) await warehouse.close()
  await rm(folder, { recursive: true })
})

async function open(more: Partial<Settings> = {}): Promise<Warehouse> {
  const warehouse = await openDuckdb(settings(folder, more))
  opened.push(warehouse)
  return warehouse
}

async function refusal(work: Promise<unknown>): Promise<ActivateError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ActivateError)) throw new Error(`expected an ActivateError, got ${String(error)}`)
  return error
}

const all = (warehouse: Warehouse, sql: string) => warehouse.query({ sql, params: [] })

/** A database as a user would have it, made without the tool. */
async function userDatabase(name: string): Promise<string> {
  const path = join(folder, name)
  const instance = await DuckDBInstance.create(path)
  const connection = await instance.connect()
  await connection.run(`create table customers as select 1 as id, 'Ann' as name`)
  connection.closeSync()
  instance.closeSync()
  return path
}

/** Another process that holds the file until it is told to end. */
async function holdElsewhere(path: string): Promise<{ readonly pid: number; release(): Promise<void> }> {
  const api = createRequire(import.meta.url).resolve('@duckdb/node-api')
  const script = `require(process.argv[1]).DuckDBInstance.create(process.argv[2]).then(() => { console.log('held'); process.stdin.resume() })`
  const child = spawn(process.execPath, ['-e', script, api, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const release = async () => {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  return { pid: child.pid ?? 0, release }
}

test('makes a folder that only its owner can enter', async () => {
  await open()
  expect((await stat(join(folder, 'state'))).mode & 0o777).toBe(0o700)
})

test('keeps the state when it is opened again', async () => {
  const first = await open()
  const relation = first.dialect.relation([...first.state, 'kept'])
  await first.execute({ sql: `create table ${relation} as select 1 as n`, params: [] })
  await first.close()
  expect(await all(await open(), `select * from ${relation}`)).toEqual([{ n: 1 }])
})

test('names the process that holds the file, and ends as locked', async () => {
  const { path } = settings(folder)
  await (await open()).close()
  const holder = await holdElsewhere(path)
  const error = await refusal(open())
  await holder.release()
  expect(error.exit).toBe('locked')
  expect(error.message).toMatch(new RegExp(`^A3002: ${path} is held by process ${holder.pid} `))
  await open()
})

test('refuses a second opening in the same process, by whatever path', async () => {
  const first = await open()
  await symlink(join(folder, 'state'), join(folder, 'link'))
  const error = await refusal(openDuckdb(settings(folder, { path: join(folder, 'link', 'warehouse.duckdb') })))
  expect(error.message).toMatch(/A3002: .* is held by this process/)
  await first.close()
  await open()
})

test('may be opened again after an opening that failed', async () => {
  await refusal(open({ attach: { shop: join(folder, 'nowhere.duckdb') } }))
  await open()
})

test('says that a file is no database', async () => {
  const path = join(folder, 'notes.txt')
  await writeFile(path, 'not a database '.repeat(1000))
  expect((await refusal(open({ path }))).message).toMatch(
    /^A3001: .*notes.txt cannot be opened: .*not a valid DuckDB database file/,
  )
})

test.each(['2', '2 gigabytes', '', '-1GB', '2GBB'])('refuses the memory limit %j', async memory => {
  const error = await refusal(open({ memory }))
  expect(error.message).toMatch(/^A3005: warehouse.memory/)
  expect(error.exit).toBe('invalid')
})

test.each(['512MB', '1.5 GB', '1GiB'])('takes the memory limit %j', async memory => {
  await open({ memory, threads: 1 })
})

test.each([0, 1.5])('refuses %d threads', async threads => {
  expect((await refusal(open({ threads }))).message).toMatch(/^A3005: warehouse.threads/)
})

test('attaches the files of the user, and refuses to write them', async () => {
  const shop = await userDatabase('shop.duckdb')
  const warehouse = await open({ attach: { 'my shop': shop } })
  expect(await all(warehouse, 'select * from "my shop".main.customers')).toEqual([{ id: 1, name: 'Ann' }])
  const write = warehouse.execute({ sql: `insert into "my shop".main.customers values (2, 'Bo')`, params: [] })
  await expect(write).rejects.toThrow(/A3010.*read-only/)
})

test('names the alias and the path of an attached file that is missing', async () => {
  const path = join(folder, 'nowhere.duckdb')
  expect((await refusal(open({ attach: { shop: path } }))).message).toBe(
    `A3003: the database shop cannot be read: ${path}`,
  )
})

test('refuses to attach what is no DuckDB database, and aliases that are taken', async () => {
  const path = join(folder, 'shop.csv')
  await writeFile(path, 'id,name\n1,Ann\n')
  expect((await refusal(open({ attach: { shop: path } }))).message).toMatch(/^A3004: the database shop \(.*shop.csv\)/)
  const shop = await userDatabase('shop.duckdb')
  expect((await refusal(open({ attach: { warehouse: shop } }))).message).toMatch(
    /^A3004: the database warehouse .*already exists/,
  )
})

test('says who holds an attached file', async () => {
  const shop = await userDatabase('shop.duckdb')
  const holder = await holdElsewhere(shop)
  const error = await refusal(open({ attach: { shop } }))
  await holder.release()
  expect(error.message).toMatch(new RegExp(`^A3002: the attached database shop .* is held by process ${holder.pid}`))
})

test('keeps its settings from the SQL of models', async () => {
  const warehouse = await open()
  await expect(warehouse.execute({ sql: `set memory_limit = '100GB'`, params: [] })).rejects.toThrow(/A3010.*locked/)
})

test('spills what does not fit into memory, and clears up behind it', async () => {
  const warehouse = await open({ memory: '60MB', threads: 1 })
  const wide = `select i, sha256(i::varchar) || sha256((i + 1)::varchar) as payload from range(600000) r(i) order by payload`
  await warehouse.execute({ sql: `create temp table wide as ${wide}`, params: [] })
  const [row] = await all(warehouse, 'select count(*) as n, sum(length(payload)) as bytes from wide')
  expect(row).toEqual({ n: 600_000, bytes: 76_800_000 })
  await warehouse.close()
  expect(await readdir(join(folder, 'state'))).toEqual(['warehouse.duckdb'])
})

test('says so when even spilling does not help', async () => {
  const warehouse = await open({ memory: '60MB', threads: 1 })
  const list = `select length(string_agg(sha256(i::varchar), '')) as n from range(2000000) r(i)`
  await expect(all(warehouse, list)).rejects.toThrow(/A3012/)
})

test('maps what has no counterpart to text', async () => {
  const [row] = await all(
    await open(),
    `select [1, null] as list, {'a': 9007199254740993, 'b': date '2026-03-01', 'c': 1.50::decimal(4, 2)} as struct,
      map {'k': timestamptz '2026-03-01 02:00:00+02'} as map, 'ab'::blob as blob, time '10:00:00' as time,
      uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' as uuid, 'x'::enum('x', 'y') as enum, 170141183460469231731687303715884105727 as huge,
      timestamp_ns '2026-03-01 02:00:00.123456789' as ns, 'infinity'::timestamptz as forever`,
  )
  expect(row).toEqual({
    list: '[1,null]',
    struct: '{"a":"9007199254740993","b":"2026-03-01","c":"1.50"}',
    map: '{"k":"2026-03-01T00:00:00Z"}',
    blob: '6162',
    time: '10:00:00',
    uuid: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    enum: 'x',
    huge: 170141183460469231731687303715884105727n,
    ns: '2026-03-01T02:00:00.123456789',
    forever: 'infinity',
  })
})

test('a stream leaves no scratch table behind', async () => {
  const warehouse = await open()
  for await (const chunk of warehouse.stream({ sql: 'select * from range(10)', params: [] }, { chunkRows: 3 })) {
    if (chunk.length < 3) break
  }
  expect(await all(warehouse, 'select table_name from duckdb_tables() where temporary')).toEqual([])
})

test('describes the relation of a file', async () => {
  const path = join(folder, 'x.csv')
  await writeFile(path, 'id\n1\n')
  const warehouse = await open()
  const relation = warehouse.dialect.fileRelation({ csv: path }, [{ name: 'id', type: 'number' }]) ?? ''
  expect(await warehouse.describe(relation)).toEqual([{ name: 'id', type: 'number', native: 'DOUBLE' }])
})
