/** What a night bills in BigQuery, counted of its own statements, and what is estimated of it without them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesBeforehand, bytesOfSettle } from '../../src/plan/night-bytes.ts'
import { execute, query } from '../../src/plan/stage.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import { billedBytes, byteSize, dollarsOf, leastBytesOfTable, type TableSize } from '../../src/warehouse/billing.ts'
import { sql } from '../../src/warehouse/sql.ts'
import { totalOf } from '../bigquery/bytes.ts'
import { billedAt, type CountedNight, countNight } from '../bigquery/night.ts'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'

const rows = 500
/** Counted small, asked large: what is the least for a table does not show there. */
const factor = 1e8 / rows

describe('what is billed', () => {
  test('is the columns of each table, and at least 10 MiB of each', () => {
    expect(billedBytes([{ rows: 1e8, width: 251 }])).toBe(25_100_000_000)
    const small = [
      { rows: 1, width: 8 },
      { rows: 0, width: 0 },
    ]
    expect(billedBytes(small)).toBe(2 * leastBytesOfTable)
    expect(billedBytes([])).toBe(0)
  })

  test('costs what a tebibyte costs', () => {
    expect(dollarsOf(2 ** 40, 6.25)).toBe(6.25)
    const shown = [0, 1536, 3 * 2 ** 30, 300 * 2 ** 30].map(byteSize)
    expect(shown).toEqual(['0 B', '1.5 KiB', '3.0 GiB', '300 GiB'])
  })
})

describe.skipIf(zetasqlMissing !== undefined)('a night in BigQuery', () => {
  let server: BigqueryServer
  beforeAll(async () => {
    server = await startBigquery()
    server.count()
  })
  afterAll(() => server.stop())

  const billed = (bills: CountedNight['bills']) => bills.reduce((sum, { scans }) => sum + billedAt(scans, factor), 0)
  const sized = ({ rows: n, bytes }: TableSize) => ({ rows: n * factor, bytes: bytes * factor })

  test('reads its source once, in all at most 1.25 times a source and a hash state, and what is estimated within a tenth', async () => {
    const night = await countNight(server, { rows, changes: rows / 100, leavers: 0 }, 'upsert')
    const source = night.bills.flatMap(({ scans }) => scans).filter(({ table }) => table === 'shop.people')
    expect(source.map(scan => Math.round(totalOf([scan]) / rows))).toEqual([251])
    expect(night.sends).toHaveLength(rows / 100)
    expect(billed(night.bills) / (factor * rows * (251 + 24))).toBeLessThan(1.25)

    const isSettling = night.bills.map(({ sql: text }) =>
      /^create table `[^`]*__settle__|^begin transaction/.test(text),
    )
    const begins = isSettling.indexOf(true)
    const sizes = { sync: 's', snapshot: sized(night.snapshot) }
    const beforehand = bytesBeforehand({ ...sizes, modelBytes: 251 * rows * factor })
    const planned = beforehand.map(({ bytes }) => bytes)
    const ratios = [
      planned.reduce((sum, bytes) => sum + bytes, 0) / billed(night.bills.slice(0, begins)),
      bytesOfSettle({ ...sizes, outbox: sized(night.outbox) }) / billed(night.bills.slice(begins)),
    ]
    expect(ratios.map(ratio => Math.abs(ratio - 1) < 0.1)).toEqual([true, true])
    await night.close()
  })

  test('of a mirror reads at most 1.25 times a source and a hash state, where leavers go by their key', async () => {
    const night = await countNight(server, { rows, changes: rows / 100, leavers: 1 }, 'mirror', { leaverFields: [] })
    expect(billed(night.bills) / (factor * rows * (251 + 24))).toBeLessThan(1.25)
    expect(night.sends.map(({ payload }) => JSON.parse(String(payload)).country).sort()).toEqual([
      ...Array(rows / 100 + 1).fill('GB'),
      null,
    ])
    await night.close()
  })

  test.each([
    ['upsert', 0, 5],
    ['mirror', 1, 7],
  ] as const)('reads what leavers had only where it tells the destination (%s)', async (mode, reads, sends) => {
    const night = await countNight(server, { rows: 100, changes: 3, leavers: 2 }, mode)
    const payloads = night.bills
      .flatMap(({ scans }) => scans)
      .filter(({ table, columns }) => table.includes('payloads__') && 'payload' in columns)
    expect(payloads).toHaveLength(reads)
    const countries = night.sends.map(({ payload }) => JSON.parse(String(payload)).country)
    expect(countries).toEqual(Array(sends).fill('GB'))
    await night.close()
  })

  test('sends whole rows also when another run moved the snapshot after the stage was written', async () => {
    const night = await countNight(server, { rows, changes: 5, leavers: 0 }, 'mirror', {}, (warehouse, snapshot) =>
      execute(warehouse, sql`delete from ${snapshot} where key = 'c00000007'`),
    )
    const sent = new Map(night.sends.map(({ key, payload }) => [key, payload]))
    expect(sent.size).toBe(6)
    expect(JSON.parse(String(sent.get('c00000007')))).toMatchObject({ email: 'user00000007@example.com', points: 7 })
    await night.close()
  })

  test('takes out what stands no more of a snapshot once it is a quarter of it, and nothing before', async () => {
    const many = sql`select concat('z', cast(n as string)), 1, 2, 'left', m from unnest(generate_array(1, 60)) n, unnest([1, 2]) m`
    const night = await countNight(server, { rows: 100, changes: 3, leavers: 0 }, 'upsert', {}, (warehouse, table) =>
      execute(warehouse, sql`insert into ${table} (key, digest, version, standing, moved) ${many}`),
    )
    const { snapshotTable } = await prepareState(night.warehouse, 's')
    const held = sql`select count(*) as n, count(distinct key) as keys, count(moved) as moved from ${snapshotTable}`
    expect(await query(night.warehouse, held)).toEqual([{ n: 160, keys: 160, moved: 0 }])
    const before = night.bills.filter(({ sql: text }) => /^\s*delete from `[^`]*snapshot__s`/m.test(text))
    expect(before).toHaveLength(1)
    await night.close()

    const quiet = await countNight(server, { rows: 100, changes: 30, leavers: 0 }, 'upsert')
    const table = (await prepareState(quiet.warehouse, 's')).snapshotTable
    expect(await query(quiet.warehouse, sql`select count(*) as n, count(moved) as moved from ${table}`)).toEqual([
      { n: 130, moved: 30 },
    ])
    await quiet.close()
  })
})
