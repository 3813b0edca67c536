/** The settings of a table destination, and the fields that its declared columns allow. */
import { z } from 'zod'
import { type ColumnType, columnTypes } from '../project/project.ts'
import { secretText } from '../project/secret.ts'

/** Plain names only: knex reads `a as b` in an identifier as an alias, quoted or not. */
const identifier = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _')

export const tableSettings = z
  .strictObject({
    client: z.enum(['postgres', 'mysql', 'sqlite']).describe('Which database it is'),
    url: secretText()
      .optional()
      .describe(`The connection to Postgres or MySQL, as a reference such as \`\${env:CRM_DB_URL}\``),
    path: z.string().min(1).optional().describe("The file of a SQLite database, below the project's folder"),
    table: z
      .string()
      .regex(/^([A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$/, 'a table, or schema.table')
      .describe('The table, with its schema if need be'),
    key: z
      .union([identifier, z.array(identifier).min(1)])
      .describe('The column that holds the key, or the columns of a composite key, in order'),
    columns: z
      .record(identifier, z.enum(columnTypes))
      .optional()
      .describe('Names and types of the columns that syncs may map. Without it, every column of the table'),
    create: z.boolean().default(false).describe('Makes the table when it is missing, with the key and `columns`'),
    max_records: z.int().min(1).max(10_000).default(500).describe('At most this many rows in one transaction'),
    concurrency: z
      .int()
      .min(1)
      .max(16)
      .default(2)
      .describe('Transactions under way at the same time; always one for SQLite'),
  })
  .superRefine((value, context) => {
    const need = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (value.client === 'sqlite' && value.path === undefined) need('path', 'a SQLite destination needs `path`')
    if (value.client === 'sqlite' && value.url !== undefined)
      need('url', 'a SQLite destination has a `path` and no `url`')
    if (value.client !== 'sqlite' && value.url === undefined) need('url', `a ${value.client} destination needs \`url\``)
    if (value.client !== 'sqlite' && value.path !== undefined) need('path', '`path` is for SQLite')
    if (value.create && value.columns === undefined)
      need('columns', '`create: true` needs `columns`, to know what to make')
    if (value.client === 'sqlite' && value.table.includes('.')) need('table', 'SQLite tables have no schema')
    if (new Set(keyColumns(value)).size < keyColumns(value).length) need('key', 'a column stands twice in the key')
  })

export type TableSettings = z.output<typeof tableSettings>

export function keyColumns({ key }: { readonly key: string | readonly string[] }): readonly string[] {
  return typeof key === 'string' ? [key] : key
}

const schemas = {
  string: z.string(),
  integer: z.int(),
  number: z.number(),
  boolean: z.boolean(),
  date: z.iso.date(),
  timestamp: z.iso.datetime({ offset: true }),
  json: z.json(),
} as const satisfies Record<ColumnType, z.ZodType>

/** Undefined when the settings declare no columns: then the table itself says what it takes. */
export function fieldsOf({ columns }: TableSettings): z.ZodObject | undefined {
  if (columns === undefined) return undefined
  return z.object(
    Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, schemas[type].nullable().optional()])),
  )
}
