/** A page of the reference from one kind of file's JSON Schema. Pure. */
import type { z } from 'zod'
import { type KeyRow, keyRows, keyTable } from '../src/project/key-table.ts'
import type { FileKind } from '../src/project/schema.ts'
import { unavailableKeys } from '../src/project/unavailable.ts'

/** The keys at the top in one table, and a table for each block below. */
export function schemaTables(kind: FileKind, schema: object): string {
  const rows = keyRows(schema as z.core.JSONSchema.JSONSchema).map(row => withAvailability(kind, row))
  const top = rows.filter(row => !/[.[]/.test(row.path))
  const blocks = top.flatMap(({ path }) => {
    const inner = rows.filter(row => row.path.startsWith(`${path}.`) || row.path.startsWith(`${path}[`))
    return inner.length === 0 ? [] : [`## \`${path}\``, keyTable(inner)]
  })
  const note =
    '`<name>` stands for names of your own, `[]` for the items of a list. A key is required within its block, or within its form where a block has several.'
  return ['## Keys', note, keyTable(top), ...blocks].join('\n\n')
}

function withAvailability(kind: FileKind, row: KeyRow): KeyRow {
  if (kind === 'model') return row
  const refused = unavailableKeys(kind).find(({ key }) => key === row.path)
  if (refused === undefined) return row
  const kept = refused.except.map(value => `\`${String(value)}\``).join(', ')
  const note = kept === '' ? 'Not available in this version.' : `In this version only ${kept} is available.`
  return { ...row, meaning: `${row.meaning} **${note}**` }
}
