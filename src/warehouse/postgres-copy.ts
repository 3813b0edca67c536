/** Seeds by `COPY`, checked value by value before they leave: what does not fit stops the load, with its text. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { ActivateError } from '../project/problem.ts'
import { quoteName } from './postgres-name.ts'
import { fits, plainText, textTypes } from './text-types.ts'
import type { SeedColumn } from './warehouse.ts'

/** Copies rows into a table that has these columns; returns their number. */
export async function copyRows(
  client: pg.Client,
  relation: string,
  columns: readonly SeedColumn[],
  rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
): Promise<number> {
  let count = 0
  async function* lines(): AsyncGenerator<string> {
    for await (const chunk of rows) {
      count += chunk.length
      yield chunk.map(row => `${row.map((text, index) => field(text, columns[index])).join('\t')}\n`).join('')
    }
  }
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const copy = client.query(copyFrom(`copy ${relation} (${names}) from stdin`))
  await pipeline(Readable.from(lines(), { objectMode: false }), copy)
  return count
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** Text format of `COPY` (postgresql.org/docs/18/sql-copy.html, "Text Format"). */
function field(text: string | null, column: SeedColumn | undefined): string {
  const value = text === null ? null : typed(text, column)
  return value === null ? '\\N' : value.replace(/[\\\t\n\r]/g, character => escapes[character] ?? character)
}

function typed(text: string, column: SeedColumn | undefined): string | null {
  const { name = '', type = 'string' } = column ?? {}
  if (text.includes('\0')) throw misfit(`column ${name}: the text ${JSON.stringify(text)} holds a NUL character`)
  if (type === 'string' || type === 'other') return text
  const trimmed = text.trim()
  if (trimmed === '') return null
  if (!fits(trimmed, type)) throw misfit(`column ${name}: '${text}' is not ${textTypes[type].noun}`)
  // What underflows is zero here, and an error to the server.
  return type === 'number' ? String(Number(trimmed)) : plainText(trimmed, type)
}

function misfit(message: string): ActivateError {
  return new ActivateError('failed', { code: 'A3010', message })
}
