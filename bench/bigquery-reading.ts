/** How much work an outbox is that comes from BigQuery: pages of JSON against messages of Arrow, without a network between. */
import { createRequire } from 'node:module'
import { type Arrow, ArrowRows } from '../src/warehouse/bigquery-arrow.ts'
import { type Cell, type Field, rowsOf } from '../src/warehouse/bigquery-value.ts'
import { arrowMessages } from '../test/bigquery/arrow.ts'
import { cellOf, fieldOf } from '../test/bigquery/values.ts'
import { typeOf, type ZetaResult, type ZetaValue } from '../test/engines/zetasql.ts'
import { median, print, timed } from './report.ts'

const rows = 100_000
const pageRows = 10_000
/** As many as make some two megabytes. */
const messageRows = 5_000

const columns = [
  { name: 'seq', type: typeOf('INT64') },
  ...['key', 'op', 'change_id', 'payload', 'subjects'].map(name => ({ name, type: typeOf('STRING') })),
  { name: 'not_after', type: typeOf('TIMESTAMP') },
]

/** The columns that delivery reads, with a payload of some 250 bytes. */
function outbox(): ZetaResult {
  const payload = (index: number) =>
    JSON.stringify({ email: `user${index}@example.com`, ltv: index / 7, tier: 'gold', note: 'Zoë '.repeat(40) })
  return {
    columns,
    rows: Array.from({ length: rows }, (_, index): readonly ZetaValue[] => [
      { int64Value: String(index + 1) },
      { stringValue: `c${String(index).padStart(8, '0')}` },
      { stringValue: 'change' },
      { stringValue: String(index).padStart(64, 'a') },
      { stringValue: payload(index) },
      {},
      index % 2 === 0 ? {} : { timestampValue: { seconds: String(1_770_000_000 + index), nanos: 0 } },
    ]),
  }
}

export async function benchReading(): Promise<void> {
  const result = outbox()
  const fields = columns.map(column => fieldOf(column) as Field)
  const pages = chunks(pageRows).map(([from, to]) =>
    JSON.stringify({
      rows: result.rows
        .slice(from, to)
        .map(row => ({ f: columns.map(({ type }, index) => ({ v: cellOf(row[index], type) })) })),
    }),
  )
  const { schema, batch } = arrowMessages(result)
  const messages = chunks(messageRows).map(([from, to]) => batch(from, to))
  const arrow = createRequire(import.meta.url)('apache-arrow') as Arrow
  const inPages = () => {
    for (const page of pages)
      rowsOf((JSON.parse(page) as { rows: readonly { readonly f: readonly Cell[] }[] }).rows, fields)
  }
  const asArrow = () => {
    for (const message of messages) {
      const read = new ArrowRows(arrow, Buffer.concat([schema, message]), fields)
      read.slice(0, read.count)
    }
  }
  const [pagesTime, arrowTime] = [await typical(inPages), await typical(asArrow)]
  const megabytes = (parts: readonly { readonly length: number }[]) =>
    `${Math.round(parts.reduce((sum, { length }) => sum + length, 0) / 1e6)} MB`
  print(`BigQuery: reading an outbox of ${rows / 1e3}k rows, without a network`, [
    { name: 'in pages of JSON', value: `${perSecond(pagesTime)} (${pages.length} requests, ${megabytes(pages)})` },
    { name: 'as Arrow', value: `${perSecond(arrowTime)} (one stream, ${megabytes(messages)})` },
    { name: 'work as Arrow / in pages', value: `${(arrowTime / pagesTime).toFixed(2)}×` },
  ])
}

function chunks(size: number): readonly (readonly [number, number])[] {
  return Array.from({ length: rows / size }, (_, index) => [index * size, (index + 1) * size] as const)
}

/** Seconds of a processor; the first time, code is still being compiled. */
async function typical(work: () => void): Promise<number> {
  const times: number[] = []
  for (let turn = 0; turn < 6; turn += 1) times.push((await timed(async () => work())).processorSeconds)
  return median(times.slice(1))
}

function perSecond(seconds: number): string {
  return `${Math.round(rows / seconds / 1000)}k rows/s`
}
