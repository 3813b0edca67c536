/** A page of the reference from one kind of file's JSON Schema. Pure. */
import type { z } from 'zod'
import { keyRows, keyTable } from '../src/project/key-table.ts'

/** The keys at the top in one table, and a table for each block below. */
export function schemaTables(schema: object): string {
  const rows = keyRows(schema as z.core.JSONSchema.JSONSchema)
  const top = rows.filter(row => !/[.[]/.test(row.path))
  const blocks = top.flatMap(({ path }) => {
    const inner = rows.filter(row => row.path.startsWith(`${path}.`) || row.path.startsWith(`${path}[`))
    return inner.length === 0 ? [] : [`## \`${path}\``, keyTable(inner)]
  })
  const note =
    '`<name>` stands for names of your own, `[]` for the items of a list. A key is required within its block, or within its form where a block has several.'
  return ['## Keys', note, keyTable(top), ...blocks].join('\n\n')
}
