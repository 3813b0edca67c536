/**
 * A sync's `fields` as SQL: each field becomes one typed expression over the model's columns, so that values are shaped
 * set-based in the warehouse and never rendered row by row. Templates are parsed, not executed: a value that happens to
 * contain `{{…}}` stays text.
 */
import type { Problem } from '../project/problem.ts'
import type { FieldMapping, FieldSource, Json, Sync } from '../project/project.ts'
import type { Column, Dialect } from '../warehouse/dialect.ts'
import { compareText, missingColumn } from './columns.ts'
import { fieldTemplateToSql } from './field-template.ts'
import { normaliseSql } from './normalisation.ts'

export interface MappedField {
  readonly name: string
  /** SQL over the model's columns. */
  readonly expression: string
  readonly column: Pick<Column, 'type' | 'native'>
}

const text = { type: 'string', native: 'VARCHAR' } as const satisfies Pick<Column, 'type' | 'native'>

/** Fields in the order of their names, so that the order of lines in a sync means nothing. */
export function mapFields(
  dialect: Dialect,
  sync: Pick<Sync, 'fields'>,
  columns: readonly Column[],
): { readonly fields: readonly MappedField[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const fields: MappedField[] = []
  const byName = new Map(columns.map(column => [column.name, column]))
  for (const mapping of [...sync.fields].sort((a, b) => compareText(a.field, b.field))) {
    const answer = mapField(dialect, mapping, byName)
    if ('problem' in answer) problems.push(answer.problem)
    else fields.push({ name: mapping.field, ...answer })
  }
  return { fields, problems }
}

/** What a sync sends where and how, as a stable text: the next run compares it and sees that it has changed. */
export function mappingFingerprint(sync: Pick<Sync, 'fields' | 'destination' | 'action' | 'mode'>): string {
  const fields = Object.fromEntries(sync.fields.map(({ field, from }) => [field, from]))
  const { destination, action, mode } = sync
  return JSON.stringify({ destination, action, mode, fields }, sortedKeys)
}

export interface MappingChange {
  /** Names of the fields that both mappings compute in the same way. */
  readonly common: readonly string[]
  readonly changed: readonly string[]
  /** The sync sends to another destination or action than before: nothing that it sent is there. */
  readonly moved: boolean
  /** Other changes are sent than before; what the old mode left alone was remembered as if it had been. */
  readonly modeChanged: boolean
}

/** What changed between two fingerprints; undefined when nothing did. */
export function mappingChange(before: string | undefined, now: string): MappingChange | undefined {
  if (before === undefined || before === now) return undefined
  const old = JSON.parse(before) as Fingerprint
  const current = JSON.parse(now) as Fingerprint
  const same = (name: string) =>
    JSON.stringify(old.fields[name], sortedKeys) === JSON.stringify(current.fields[name], sortedKeys)
  const names = [...new Set([...Object.keys(old.fields), ...Object.keys(current.fields)])].sort(compareText)
  return {
    common: names.filter(same),
    changed: names.filter(name => !same(name)),
    moved: old.destination !== current.destination || old.action !== current.action,
    modeChanged: old.mode !== undefined && old.mode !== current.mode,
  }
}

interface Fingerprint {
  readonly destination: string
  readonly action: string
  /** Absent in what early versions remembered. */
  readonly mode?: string
  readonly fields: Readonly<Record<string, unknown>>
}

type Expression = Omit<MappedField, 'name'>

function mapField(
  dialect: Dialect,
  { field, from, place }: FieldMapping,
  columns: ReadonlyMap<string, Column>,
): Expression | { readonly problem: Problem } {
  if ('value' in from) return constant(dialect, from.value)
  if ('template' in from) {
    const answer = fieldTemplateToSql(dialect, from.template, columns)
    return 'problem' in answer
      ? { problem: { ...answer.problem, message: `field "${field}": ${answer.problem.message}`, place } }
      : { expression: answer.expression, column: text }
  }
  const column = columns.get(from.column)
  if (column === undefined) return { problem: { ...missingColumn(from.column, columns), place } }
  return shape(dialect, from, column)
}

function constant(dialect: Dialect, value: Json): Expression {
  if (value === null || typeof value === 'string')
    return { expression: dialect.castTo(dialect.literal(value), 'string'), column: text }
  if (typeof value === 'boolean')
    return { expression: dialect.literal(value), column: { type: 'boolean', native: 'BOOLEAN' } }
  if (typeof value === 'number') {
    const type = Number.isInteger(value) ? 'integer' : 'number'
    return {
      expression: dialect.castTo(dialect.literal(value), type),
      column: { type, native: type === 'integer' ? 'BIGINT' : 'DOUBLE' },
    }
  }
  return {
    expression: dialect.castTo(dialect.literal(JSON.stringify(value)), 'json'),
    column: { type: 'json', native: 'JSON' },
  }
}

/** cast → round → normalise → hash, each only when asked for. */
function shape(dialect: Dialect, from: Extract<FieldSource, { column: string }>, column: Column): Expression {
  let expression = dialect.quote(column.name)
  let shaped: Pick<Column, 'type' | 'native'> = { type: column.type, native: column.native }
  const becomesText = () => {
    expression = dialect.asText(expression, shaped)
    shaped = text
  }
  if (from.as === 'string') becomesText()
  else if (from.as !== undefined) {
    expression = dialect.castTo(expression, from.as)
    shaped = { type: from.as, native: nativeOf[from.as] }
  }
  if (from.round !== undefined) expression = dialect.round(expression, from.round, shaped)
  if (from.normalise !== undefined) {
    becomesText()
    expression = normaliseSql(dialect, expression, from.normalise, from.region)
  }
  if (from.hash === 'sha256') {
    becomesText()
    expression = dialect.sha256(expression)
  }
  return { expression, column: shaped }
}

/** Names by which every dialect's `columnType` recognises what its `castTo` made. */
const nativeOf = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
  json: 'JSON',
} as const

function sortedKeys(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compareText(a, b)))
}
