/** A CSV file as records with their places: UTF-8 with or without a byte order mark, the header in the first line. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { ActivateError } from '../project/problem.ts'

export interface CsvRecord {
  /** Counts the rows of data from 1; the header is row 0. */
  readonly row: number
  /** The line of the file on which the record starts, counted from 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/**
 * Streams the header and then the rows as they are, of whatever width; lines without a character are skipped.
 * Throws ActivateError A3020 (missing, unreadable, not UTF-8) or A3022 (a quote out of place).
 */
export async function* readCsv(path: string): AsyncGenerator<CsvRecord> {
  const parser = parse({ info: true, relax_column_count: true, skip_empty_lines: true })
  const source = Readable.from(decoded(path))
  source.on('error', error => parser.destroy(error))
  source.pipe(parser)
  let row = 0
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: { lines: number }; record: string[] }>) {
      const breaks = record.reduce((count, field) => count + (field.match(/\r\n|\n|\r/g)?.length ?? 0), 0)
      yield { row, line: info.lines - breaks, fields: record }
      row += 1
    }
  } catch (error) {
    throw failure(path, row, error)
  } finally {
    source.destroy()
  }
}

/** The names in the first line; none when the file is empty. */
export async function headerOf(path: string): Promise<readonly string[]> {
  for await (const { fields } of readCsv(path)) return fields
  return []
}

function failure(path: string, row: number, error: unknown): unknown {
  if (error instanceof CsvError) {
    const line = typeof error.lines === 'number' ? error.lines : 1
    const message = `row ${row}: ${error.message}`
    return new ActivateError(
      'failed',
      { code: 'A3022', message, place: { file: path, line, column: 1 } },
      { cause: error },
    )
  }
  if (error instanceof Error && 'syscall' in error) {
    return new ActivateError(
      'failed',
      { code: 'A3020', message: `${path} cannot be read: ${error.message}` },
      { cause: error },
    )
  }
  return error
}

/** The file as text. A decoder that is not told to be strict would put U+FFFD where somebody's name was. */
async function* decoded(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  let lastLine: Buffer = Buffer.alloc(0)
  const decode = (bytes: Buffer | undefined): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (error) {
      const invalid = line + firstInvalidLine(Buffer.concat([lastLine, bytes ?? Buffer.alloc(0)]))
      const place = { file: path, line: invalid, column: 1 }
      const help = 'save the file as UTF-8'
      throw new ActivateError(
        'failed',
        { code: 'A3020', message: `${path} is not valid UTF-8`, place, help },
        { cause: error },
      )
    }
  }
  for await (const bytes of createReadStream(path) as AsyncIterable<Buffer>) {
    yield decode(bytes)
    const end = bytes.lastIndexOf(10)
    if (end === -1) {
      lastLine = Buffer.concat([lastLine, bytes])
    } else {
      line += bytes.reduce((count, byte) => (byte === 10 ? count + 1 : count), 0)
      lastLine = bytes.subarray(end + 1)
    }
  }
  yield decode(undefined)
}

/** How many lines come before the first that is no UTF-8. */
function firstInvalidLine(bytes: Buffer): number {
  let line = 0
  let start = 0
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    if (!isUtf8Text(bytes.subarray(start, end))) return line
    line += 1
    start = end + 1
  }
  return line
}

function isUtf8Text(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)
}
