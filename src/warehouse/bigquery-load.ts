/** Rows as a file of JSON lines, checked value by value before anything leaves: what does not fit stops the load, with its text. */
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ActivateError } from '../project/problem.ts'
import { nativeOfType } from './bigquery-types.ts'
import { fits, plainText, textTypes } from './text-types.ts'
import type { SeedColumn } from './warehouse.ts'

/** Writes the rows to a file that is there for `work` alone. A file, and not the rows themselves, can be sent a second time. */
export async function withJsonLines<T>(
  columns: readonly SeedColumn[],
  rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
  work: (file: string, count: number) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'activate-load-'))
  const file = join(folder, 'rows.jsonl')
  let count = 0
  async function* lines(): AsyncGenerator<string> {
    for await (const chunk of rows) {
      count += chunk.length
      yield chunk.map(row => `${lineOf(columns, row)}\n`).join('')
    }
  }
  try {
    await pipeline(Readable.from(lines(), { objectMode: false }), createWriteStream(file, { mode: 0o600 }))
    return await work(file, count)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Absent members are NULL. */
function lineOf(columns: readonly SeedColumn[], row: readonly (string | null)[]): string {
  const members = columns.flatMap((column, index) => {
    const text = row[index] ?? null
    const value = text === null ? undefined : jsonOf(text, column)
    return value === undefined ? [] : [`${JSON.stringify(column.name)}:${value}`]
  })
  return `{${members.join(',')}}`
}

/** Whole numbers as text, which BigQuery reads without a double in between; JSON as it is. */
function jsonOf(text: string, { name, type }: SeedColumn): string | undefined {
  if (type === 'string' || type === 'other') return JSON.stringify(text)
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  if (!fits(trimmed, type))
    throw new ActivateError('failed', {
      code: 'A3010',
      message: `column ${name}: '${text}' is not ${textTypes[type].noun}`,
    })
  const plain = plainText(trimmed, type)
  if (type === 'number') return String(Number(plain))
  return type === 'boolean' ? plain : type === 'json' ? JSON.stringify(JSON.parse(plain)) : JSON.stringify(plain)
}

/** REST `TableSchema`. */
export function schemaOf(columns: readonly SeedColumn[]) {
  return { fields: columns.map(({ name, type }) => ({ name, type: nativeOfType[type === 'other' ? 'string' : type] })) }
}
