/** What a night bills in BigQuery: counted of the very statements of a small night, column by column, and scaled. */

import { type Scan, totalOf } from '../test/bigquery/bytes.ts'
import { billedAt, countNight } from '../test/bigquery/night.ts'
import { type Bill, startBigquery } from '../test/bigquery/server.ts'
import { benchReading } from './bigquery-reading.ts'
import { atMost, type Figure, print } from './report.ts'

const smallRows = 2000
/** Of the key and an INT64: what a night could not do without. */
const hashStateBytes = 24

/** One in a thousand leaves a mirror: what the destination uses of them makes the difference. */
const nights = [
  { mode: 'upsert', what: 'upsert', options: {} },
  { mode: 'mirror', what: 'mirror, leavers by key', options: { leaverFields: [] } },
  { mode: 'mirror', what: 'mirror, leavers with all that they had', options: {} },
] as const

export async function benchBigquery(): Promise<void> {
  await benchReading()
  const server = await startBigquery()
  server.count()
  try {
    for (const { mode, what, options } of nights) {
      const sizes = { rows: smallRows, changes: smallRows / 100, leavers: mode === 'mirror' ? 2 : 0 }
      const night = await countNight(server, sizes, mode, options)
      for (const rows of [1e6, 1e7, 1e8]) show(what, rows, night.bills, rows === 1e8)
      await night.close()
    }
  } finally {
    await server.stop()
  }
}

function show(mode: string, rows: number, bills: readonly Bill[], inDetail: boolean): void {
  const factor = rows / smallRows
  const scanned = bills.map(({ sql, scans }) => ({ sql, scans, bytes: billedAt(scans, factor) }))
  const total = scanned.reduce((sum, { bytes }) => sum + bytes, 0)
  const source = Math.max(...bills.map(({ scans }) => sourceBytes(scans))) * factor
  const least = source + rows * hashStateBytes
  const figures: Figure[] = inDetail
    ? scanned
        .filter(({ bytes }) => bytes > 2 ** 30 / 10)
        .map(each => ({ name: nameOf(each.sql), value: detail(each.scans, factor) }))
    : []
  print(`BigQuery, ${mode}: ${rows / 1e6}M rows × 20 columns, 1 % changed`, [
    ...figures,
    atMost('billed / (source + hash state)', total / least, 1.25, `${gib(total)} against ${gib(least)}`),
  ])
}

function sourceBytes(scans: readonly Scan[]): number {
  return scans.filter(({ table }) => table === 'shop.people').reduce((sum, scan) => sum + totalOf([scan]), 0)
}

function nameOf(sql: string): string {
  const [, verb = '', relation = ''] = /^\s*(create table|begin transaction|\w+)[^`]*`([^`]+)`/.exec(sql) ?? []
  return `${verb} ${shortened(relation)}`.slice(0, 34)
}

function shortened(table: string): string {
  return table
    .replace(/^.*\./, '')
    .replace(/^scratch__[0-9a-f]+__/, '')
    .replace(/__s(__\w+)?$/, '')
}

function detail(scans: readonly Scan[], factor: number): string {
  const parts = new Map<string, number>()
  for (const scan of scans)
    parts.set(shortened(scan.table), (parts.get(shortened(scan.table)) ?? 0) + totalOf([scan]) * factor)
  return [...parts]
    .filter(([, bytes]) => bytes > 2 ** 30 / 20)
    .map(([table, bytes]) => `${table} ${gib(bytes)}`)
    .join(', ')
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes < 10 * 2 ** 30 ? 2 : 1)} GiB`
}
