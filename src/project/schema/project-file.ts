/** `activate.yml`: the warehouse, the ledger, sources, destinations, targets and policies. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { onViolation } from '../project.ts'
import { secretText } from '../secret.ts'
import { columns, relationTest } from './columns.ts'
import { identitySchema, policiesSchema, timezone } from './policies.ts'
import { identifier, matching, name, nonEmpty, scalar } from './text.ts'

const bytes = () =>
  matching(/^\d+(\.\d+)?\s*([KMGT]i?)?B$/i, {
    message: 'is not a size',
    help: 'write a number and a unit, such as 2GB',
    examples: ['2GB'],
  })

const filePath = () =>
  matching(/^(?!:memory:$)[^\0]+$/, { message: 'is not a path', help: 'state must outlive the process: name a file' })

const state = () => identifier().prefault('activate')

const tls = z.strictObject({
  mode: z
    .enum(['verify', 'unverified', 'off'])
    .default('verify')
    .describe('`verify` asks for a valid certificate; `unverified` encrypts whoever answers; `off` does neither.'),
  ca: filePath().optional().describe('A PEM file with the authority that signed the certificate of the server.'),
  cert: filePath().optional().describe('A PEM file with the certificate of the client.'),
  key: filePath().optional().describe('A PEM file with the key of the client.'),
  servername: nonEmpty().optional().describe('The name in the certificate, where it is not the host of the URL.'),
})

export const warehouseSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('duckdb').describe('DuckDB, embedded: nothing to install or to start.'),
    path: filePath()
      .optional()
      .describe('The file that holds the state, from activate.yml; .activate/warehouse.duckdb unless set.'),
    state: state().describe('The schema that holds the state; apart from your own.'),
    attach: z
      .record(identifier(), nonEmpty())
      .default({})
      .describe('DuckDB files of your own, by the name under which models see them; attached read-only.'),
    memory: bytes()
      .prefault('2GB')
      .describe('How much memory queries may use before they spill to disk, such as 512MB.'),
    threads: z.int().min(1).optional().describe('How many threads queries use; one per core unless set.'),
  }),
  z.strictObject({
    type: z.literal('postgres').describe('A PostgreSQL server, 14 or newer.'),
    url: secretText().describe(
      'The connection, as a reference to a secret: postgres://user:password@host:5432/database. Directly, or by a pooler that keeps sessions.',
    ),
    state: state().describe('The schema that holds the state; apart from your own.'),
    role: nonEmpty().optional().describe('The role to take on after connecting, where it is not that of the user.'),
    tls: tls
      .optional()
      .describe('How the connection is encrypted. Unless set, servers on other machines are verified.'),
    pool: z.int().min(1).max(50).default(4).describe('How many sessions a run opens at most.'),
    statement_timeout: duration()
      .optional()
      .describe('After how long the server gives a statement up, such as 30m; never unless set.'),
    work_mem: bytes()
      .prefault('256MB')
      .describe(
        'How much memory one sort on the server may use before it spills to disk; a hash takes hash_mem_multiplier times that, in each process that builds it.',
      ),
  }),
  z.strictObject({
    type: z.literal('bigquery').describe('Google BigQuery.'),
    project: nonEmpty()
      .optional()
      .describe('The Google Cloud project that is billed; the one in GOOGLE_CLOUD_PROJECT unless set.'),
    location: nonEmpty()
      .optional()
      .describe('Where the datasets are, such as EU; where a new dataset for the state is made. US unless set.'),
    state: state().describe('The dataset that holds the state.'),
    maximum_bytes_billed: bytes().optional().describe('A query that would bill more than this is refused.'),
    undo_days: z
      .int()
      .min(0)
      .max(20)
      .optional()
      .describe(
        'How many days each snapshot is kept as it was before a run changed it, so that the change can be undone; 7 unless set, 0 for none.',
      ),
    price_per_tib: z
      .number()
      .min(0)
      .default(6.25)
      .describe('US dollars for a tebibyte that is read, by which a dry run estimates; 6.25 on demand in the US.'),
    credentials: secretText()
      .optional()
      .describe(
        "The JSON of a service account's key, as a reference to a secret; application default credentials unless set.",
      ),
    impersonate: nonEmpty().optional().describe('The service account to act as, by its e-mail address.'),
    endpoint: nonEmpty()
      .optional()
      .describe('The root of a private endpoint, such as https://bigquery-eu.p.example.com.'),
    storage_read: z
      .enum(['auto', 'always', 'never'])
      .default('auto')
      .describe(
        'How outboxes are read: `auto` over the Storage Read API from 200,000 rows on, where its package is installed, and in pages otherwise; `always` over that API alone; `never` in pages.',
      ),
    storage_endpoint: nonEmpty()
      .optional()
      .describe(
        'The root of a private endpoint of the Storage Read API, such as https://bigquerystorage-eu.p.example.com. With `endpoint` and without this, rows come in pages.',
      ),
  }),
])

const ledgerKey = () =>
  secretText()
    .optional()
    .describe(
      'The secret with which dead letters are encrypted, as a reference: at least 32 random characters. Unless set, a key file is made beside the SQLite file, or in .activate of a project whose ledger is on a server; machines that share one need the same key.',
    )

export const ledgerSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('sqlite').describe('SQLite, embedded: nothing to install or to start.'),
    path: filePath().optional().describe('The file of the ledger, from activate.yml; .activate/ledger.db unless set.'),
    key: ledgerKey(),
  }),
  z.strictObject({
    type: z.literal('postgres').describe('A PostgreSQL server, which several machines may share.'),
    url: secretText().describe(
      'The connection, as a reference to a secret; `sslmode` and `sslrootcert` in it are the TLS options.',
    ),
    schema: identifier()
      .prefault('activate_ledger')
      .describe('The schema that holds the ledger and nothing else; made when it is missing.'),
    connections: z.int().min(2).max(100).default(4).describe('How many connections one process opens at most.'),
    key: ledgerKey(),
  }),
])

const sourceSchema = z.strictObject({
  csv: nonEmpty().optional().describe('A CSV file with a header line; its path, from activate.yml.'),
  parquet: nonEmpty().optional().describe('A Parquet file; its path, from activate.yml.'),
  table: nonEmpty()
    .optional()
    .describe('A table or view of the warehouse, with dots between its parts: shop.main.customers.'),
  description: z.string().optional().describe('What a row stands for.'),
  freshness: z
    .strictObject({
      column: nonEmpty().describe('A date or timestamp column; its newest value counts.'),
      max_age: duration().describe('How old the newest value may be, by the clock of the run: 26h.'),
    })
    .optional()
    .describe('How recent the data must be; a run on older data fails before anything is planned.'),
  columns: columns
    .optional()
    .describe('The columns that models rely on, with types and tests. For a CSV, types decide how values are read.'),
  tests: z.array(relationTest).optional().describe('Tests of the source as a whole.'),
  on_violation: z
    .enum(onViolation)
    .default('fail')
    .describe(
      'What happens when rows break a declared test: `fail` stops every sync that reads the source, `quarantine` leaves the rows out until they are mended, `warn` counts them.',
    ),
  tags: z.array(nonEmpty()).optional().describe('Labels, for `--select tag:NAME`.'),
})

const destinationSchema = z.looseObject({
  type: nonEmpty().describe(
    'The kind of destination: http, file, table, crm or messaging. It decides which other settings there are.',
  ),
})

const vars = z.record(identifier(), scalar())
const destinations = z.record(name(), destinationSchema)

const retentionSchema = z.strictObject({
  dead_letters: duration()
    .prefault('30d')
    .describe(
      'How long the fields of a record that was refused are kept, encrypted, to be looked at or replayed: 30d unless set.',
    ),
  erasures: duration()
    .prefault('400d')
    .describe(
      'How long erased people are kept from coming back, by a keyed hash: 400d unless set. The source should have forgotten them by then.',
    ),
  decisions: duration()
    .optional()
    .describe('How long `inspect` knows what was decided, and who was not allowed to take part. For good unless set.'),
  deliveries: duration()
    .optional()
    .describe(
      'How long deliveries are kept. What caps, re-entry and holdouts still need stays, however old. For good unless set.',
    ),
  samples: duration()
    .optional()
    .describe("How long the plans of past runs keep their samples, which are people's rows. For good unless set."),
  requests: duration()
    .optional()
    .describe(
      'How long the ledger keeps requests of settled runs, with what was refused of them. What waits for a person stays. For good unless set.',
    ),
  quarantine: duration()
    .optional()
    .describe('How long rows that were mended since stay in the quarantine. For good unless set.'),
})

const targetSchema = z.strictObject({
  warehouse: warehouseSchema
    .optional()
    .describe('The warehouse of this target; one of the same type inherits all but `path` from the default.'),
  ledger: ledgerSchema.optional().describe('The ledger of this target.'),
  vars: vars.optional().describe('Variables that differ in this target.'),
  destinations: destinations
    .optional()
    .describe('Destinations that differ in this target; each replaces the one of its name.'),
})

export const projectSchema = z
  .strictObject({
    name: name().describe('The name of the project; part of what makes a change unique, so do not change it lightly.'),
    timezone: timezone()
      .prefault('UTC')
      .describe('The IANA time zone of schedules and of `run_date`, such as Europe/London.'),
    warehouse: warehouseSchema
      .optional()
      .describe('Where models are computed and the snapshots are kept; an embedded DuckDB unless set.'),
    ledger: ledgerSchema
      .optional()
      .describe(
        'Where runs, leases and requests are recorded; an embedded SQLite file unless set, or a server that several machines share.',
      ),
    vars: vars.optional().describe('Values that models name with `{{var "name"}}`.'),
    sources: z
      .record(name(), sourceSchema)
      .optional()
      .describe(
        'The data that models start from, by the name that `{{source "name"}}` takes: one of `csv`, `parquet` and `table` each.',
      ),
    destinations: destinations.optional().describe('Where records are sent, by the name that syncs use.'),
    identity: identitySchema.optional().describe('How records of one person are recognised.'),
    policies: policiesSchema.optional().describe('Who may be contacted, how often and when.'),
    owners: z
      .record(nonEmpty(), z.array(nonEmpty()).min(1))
      .optional()
      .describe(
        'Who answers for the syncs below a path, such as `syncs/billing/**`: the last path that matches counts.',
      ),
    retention: retentionSchema.optional().describe('How long what is recorded of people is kept.'),
    targets: z
      .record(name(), targetSchema)
      .optional()
      .describe(
        'Other places to run in, by name, chosen with `--target` or ACTIVATE_TARGET; each has its own state and ledger.',
      ),
  })
  .describe('The project file of activate.')
