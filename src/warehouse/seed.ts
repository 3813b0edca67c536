/**
 * Seeds: a CSV file becomes a table of any warehouse. The file is read twice, so that every problem of it is known, and
 * the types of undeclared columns with it, before anything in the warehouse is replaced.
 */
import { ActivateError, type Problem } from '../project/problem.ts'
import type { ColumnType } from '../project/project.ts'
import { type CsvRecord, readCsv } from './csv-file.ts'
import { anyType, fits, narrow, plainText, textTypes } from './text-types.ts'
import type { SeedColumn, Warehouse } from './warehouse.ts'

export interface Seed {
  /** For messages. */
  readonly name: string
  /** Absolute path of the CSV file. */
  readonly path: string
  /** Declared columns; those without a type, and those not declared, are inferred. */
  readonly columns: readonly { readonly name: string; readonly type?: ColumnType }[]
  /** Where the table goes: parts for `dialect.relation`, or the name of a scratch table. */
  readonly relation: Parameters<Warehouse['load']>[0]
}

export interface Seeded {
  readonly rows: number
  readonly columns: readonly SeedColumn[]
}

interface TypedColumn {
  readonly name: string
  readonly type: ColumnType
}

/** What is known of a column while the file is being read. */
interface ColumnSurvey {
  readonly name: string
  readonly declared?: ColumnType
  /** Types that every value so far has; undefined before the first value. */
  readonly possible?: readonly ColumnType[]
}

/** Problems reported of one file; more would scroll the first away. */
const mostProblems = 10
const chunkRows = 5_000

/**
 * Replaces `relation` by the file's rows, all or nothing. Empty fields are NULL; blank ones are NULL in columns of any type
 * but string; leading zeros make a column a string. Throws ActivateError with up to ten problems: A3020 unreadable, A3021
 * header, A3022 row shape, A3023 value.
 */
export async function seedCsv(warehouse: Warehouse, seed: Seed): Promise<Seeded> {
  const columns = await survey(seed)
  const rows = await warehouse.load(seed.relation, columns, chunks(seed, columns))
  return { rows, columns }
}

/** Reads the whole file, keeping nothing of it but its problems and its columns. */
async function survey(seed: Seed): Promise<readonly TypedColumn[]> {
  const problems: Problem[] = []
  let columns: readonly ColumnSurvey[] | undefined
  for await (const record of readCsv(seed.path)) {
    if (columns === undefined) {
      const header = record.fields.map(name => name.trim())
      refuse(headerProblems(seed, header, record))
      columns = header.map(name => ({ name, ...declaration(seed, name) }))
      continue
    }
    problems.push(...rowProblems(seed, columns, record))
    if (problems.length >= mostProblems) break
    columns = columns.map((column, index) => narrowed(column, record.fields[index] ?? ''))
  }
  if (columns === undefined) {
    refuse([{ code: 'A3021', message: `${seed.name} is empty`, place: { file: seed.path, line: 1, column: 1 } }])
    return []
  }
  refuse(problems.slice(0, mostProblems))
  return columns.map(({ name, declared, possible }) => ({ name, type: declared ?? possible?.[0] ?? 'string' }))
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ActivateError('failed', problems)
}

function declaration({ columns }: Seed, name: string): Pick<ColumnSurvey, 'declared'> {
  const type = columns.find(column => column.name.toLowerCase() === name.toLowerCase())?.type
  return type === undefined ? {} : { declared: type }
}

function headerProblems(seed: Seed, header: readonly string[], { line }: CsvRecord): readonly Problem[] {
  const place = { file: seed.path, line, column: 1 }
  const folded = header.map(name => name.toLowerCase())
  const empty = folded.flatMap((name, index) => (name === '' ? [`column ${index + 1} of the header has no name`] : []))
  const twice = header.filter((name, index) => name !== '' && folded.indexOf(name.toLowerCase()) !== index)
  const missing = seed.columns.filter(({ name }) => !folded.includes(name.toLowerCase()))
  return [
    ...empty.map(message => ({ code: 'A3021', message, place })),
    ...[...new Set(twice)].map(name => ({ code: 'A3021', message: `the header names ${name} twice`, place })),
    ...missing.map(({ name }) => ({
      code: 'A3021',
      message: `the header lacks the declared column ${name}`,
      place,
      help: `it has: ${header.join(', ')}`,
    })),
  ]
}

function rowProblems(seed: Seed, columns: readonly ColumnSurvey[], record: CsvRecord): readonly Problem[] {
  const place = { file: seed.path, line: record.line, column: 1 }
  const { fields, row } = record
  if (fields.length !== columns.length) {
    return [{ code: 'A3022', message: `row ${row} has ${fields.length} fields, the header ${columns.length}`, place }]
  }
  return columns.flatMap(({ name, declared }, index) => {
    const text = (fields[index] ?? '').trim()
    if (declared === undefined || text === '' || fits(text, declared)) return []
    const message = `row ${row}, column ${name}: '${text}' is not ${textTypes[declared].noun}`
    return [{ code: 'A3023', message, place }]
  })
}

function narrowed(column: ColumnSurvey, field: string): ColumnSurvey {
  const text = field.trim()
  if (column.declared !== undefined || text === '') return column
  return { ...column, possible: narrow(column.possible ?? anyType, text) }
}

/** The second reading; a file that changed in between is refused, not loaded askew. */
async function* chunks(
  seed: Seed,
  columns: readonly TypedColumn[],
): AsyncGenerator<readonly (readonly (string | null)[])[]> {
  const known = columns.map(({ name, type }) => ({ name, declared: type }))
  let chunk: (readonly (string | null)[])[] = []
  for await (const record of readCsv(seed.path)) {
    if (record.row === 0) continue
    refuse(rowProblems(seed, known, record))
    chunk.push(columns.map(({ type }, index) => loadText(record.fields[index] ?? '', type)))
    if (chunk.length < chunkRows) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

function loadText(field: string, type: ColumnType): string | null {
  if (type === 'string') return field === '' ? null : field
  const text = field.trim()
  return text === '' ? null : plainText(text, type)
}
