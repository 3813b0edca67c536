/** Changes as the text of a file. Pure: the same changes give the same bytes. */
import { stringify } from 'csv-stringify/sync'
import type { Change } from '../delivery/destination.ts'
import type { Json } from '../project/project.ts'

const own = ['key', 'change_id', 'op'] as const

/**
 * What spreadsheets run as a formula. csv-stringify's `escape_formulas` leaves out the leading NUL that OWASP ASVS 5.0 (1.2.10) names, so
 * it is done here; the full-width forms are those that some spreadsheets take for the ASCII ones.
 */
const formula = /^[\0\t\r\n=+\-@＝＋－＠]/

/**
 * A header and one row per change. Mapped fields that are called like the tool's own columns get a leading `field_`. NULL is an
 * empty cell, empty text is `""`, lists and objects are JSON.
 */
export function csvText(batch: readonly Change[], formulas: 'escape' | 'keep'): string {
  const fields = [...new Set(batch.flatMap(change => Object.keys(change.fields)))]
  const cell = (value: Json | undefined) => cellOf(value, formulas)
  const rows = batch.map(({ key, changeId, op, fields: values }) => [
    cell(key),
    cell(changeId),
    op,
    ...fields.map(field => cell(Object.hasOwn(values, field) ? values[field] : null)),
  ])
  const header = [...own, ...fields.map(field => cell(isOwn(field) ? `field_${field}` : field))]
  return stringify([header, ...rows], {
    quoted_empty: true,
    record_delimiter: '\n',
    cast: { object: value => (value === empty ? { value: '', quoted_empty: false } : JSON.stringify(value)) },
  })
}

/** csv-stringify does not tell NULL from empty text; this stands for NULL. */
const empty = Object.freeze({})

function cellOf(value: Json | undefined, formulas: 'escape' | 'keep'): string | object {
  if (value === null || value === undefined) return empty
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return formulas === 'escape' && formula.test(text) ? `'${text}` : text
}

function isOwn(name: string): boolean {
  return (own as readonly string[]).includes(name)
}

/** One object per line: key, change_id, op, fields. */
export function jsonLines(batch: readonly Change[]): string {
  return batch
    .map(({ key, changeId, op, fields }) => `${JSON.stringify({ key, change_id: changeId, op, fields })}\n`)
    .join('')
}
