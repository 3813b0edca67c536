/** `activate.yml`: the warehouse, the ledger, sources, destinations, targets and policies. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { secretText } from '../secret.ts'
import { suggestion } from '../suggest.ts'
import { columns, relationTest } from './columns.ts'
import { identitySchema, policiesSchema } from './policies.ts'
import { identifier, isTimezone, knownTimezones, matching, name, nonEmpty, readable, scalar } from './text.ts'

const bytes = () =>
  matching(/^\d+(\.\d+)?\s*([KMGT]i?)?B$/i, {
    message: 'is not a size',
    help: 'write a number and a unit, such as 2GB',
    examples: ['2GB'],
  })

const filePath = () =>
  matching(/^(?!:memory:$)[^\0]+$/, { message: 'is not a path', help: 'state must outlive the process: name a file' })

const state = () => identifier().prefault('activate')

export const warehouseSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('duckdb').describe('The embedded warehouse.'),
    path: filePath()
      .optional()
      .describe('The file that holds the state of the tool; .activate/warehouse.duckdb unless set.'),
    state: state().describe('The schema that holds the state.'),
    attach: z
      .record(identifier(), nonEmpty())
      .default({})
      .describe('DuckDB files of your own, by the name under which queries see them; attached read-only.'),
    memory: bytes().prefault('2GB').describe('How much memory queries may use before they spill to disk.'),
    threads: z.int().min(1).optional().describe('How many threads queries use.'),
  }),
  z.strictObject({
    type: z.literal('postgres').describe('A PostgreSQL server.'),
    url: secretText().describe('The connection, a reference to a secret.'),
    state: state().describe('The schema that holds the state.'),
  }),
  z.strictObject({
    type: z.literal('bigquery').describe('Google BigQuery.'),
    project: nonEmpty().describe('The project that is billed.'),
    location: nonEmpty().optional().describe('Where the datasets are, such as EU.'),
    state: state().describe('The dataset that holds the state.'),
    maximum_bytes_billed: bytes().optional().describe('A query that would bill more than this is refused.'),
  }),
])

export const ledgerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('sqlite').describe('The embedded ledger.'),
    path: filePath().optional().describe('The file of the ledger; .activate/ledger.db unless set.'),
  }),
  z.strictObject({
    type: z.literal('postgres').describe('A PostgreSQL server.'),
    url: secretText().describe('The connection, a reference to a secret.'),
  }),
])

const sourceSchema = z.strictObject({
  csv: nonEmpty().optional().describe('A CSV file.'),
  parquet: nonEmpty().optional().describe('A Parquet file.'),
  table: nonEmpty().optional().describe('A table or view, with dots between its parts: shop.main.customers.'),
  description: z.string().optional().describe('What a row stands for.'),
  freshness: z
    .strictObject({
      column: nonEmpty().describe('The column whose latest value counts.'),
      max_age: duration().describe('How old the latest value may be.'),
    })
    .optional()
    .describe('How recent the data must be for a run to start.'),
  columns: columns.optional().describe('The columns that are relied on, with types and tests.'),
  tests: z.array(relationTest).optional().describe('Tests of the source as a whole.'),
  tags: z.array(nonEmpty()).optional().describe('Labels for `--select tag:…`.'),
})

const destinationSchema = z.looseObject({
  type: nonEmpty().describe('The kind of destination, such as http or crm; it says which other settings there are.'),
})

const vars = z.record(identifier(), scalar())
const destinations = z.record(name(), destinationSchema)

const targetSchema = z.strictObject({
  warehouse: warehouseSchema
    .optional()
    .describe('The warehouse of this target; one of the same type inherits what it leaves out.'),
  ledger: ledgerSchema.optional().describe('The ledger of this target.'),
  vars: vars.optional().describe('Values that differ in this target.'),
  destinations: destinations
    .optional()
    .describe('Destinations that differ in this target; each replaces the one of its name.'),
})

const timezone = () =>
  readable(zone => (isTimezone(zone) ? zone : undefined), {
    code: 'A1115',
    message: 'is not a time zone',
    examples: ['Europe/London', 'UTC'],
    help: zone => suggestion(zone, knownTimezones(), 'IANA names such as'),
  })

export const projectSchema = z
  .strictObject({
    name: name().describe('The name of the project; part of what makes a change unique, so do not change it lightly.'),
    timezone: timezone().prefault('UTC').describe('The IANA zone of schedules, quiet hours and run_date.'),
    warehouse: warehouseSchema
      .optional()
      .describe('Where models are computed and state is kept; an embedded DuckDB unless set.'),
    ledger: ledgerSchema.optional().describe('Where requests are recorded; an embedded SQLite file unless set.'),
    vars: vars.optional().describe('Values that models name with {{var "…"}}.'),
    sources: z.record(name(), sourceSchema).optional().describe('The data that models start from.'),
    targets: z
      .record(name(), targetSchema)
      .optional()
      .describe('Other places to run in, chosen by --target or ACTIVATE_TARGET, each with its own state and ledger.'),
    destinations: destinations.optional().describe('Where records are sent.'),
    identity: identitySchema.optional().describe('How records of one person are recognised.'),
    policies: policiesSchema.optional().describe('Who may be contacted, how often and when.'),
  })
  .describe('The project file of activate.')
