/**
 * ZetaSQL, the parser, analyser and evaluator of BigQuery's SQL, as a server of its own: it tells whether BigQuery would
 * take a statement, and computes queries over rows that are handed to it. The analyser is older than BigQuery (no
 * `group by all`, no pipes), and passes some of what BigQuery refuses; `outer-joins.ts` knows one such rule.
 *
 * Limits of the evaluator: 4 MB a request, so some 30,000 rows; no MERGE; INSERT ends the server, so nothing sends it one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'

const folder = join(import.meta.dirname, 'node_modules', '@fivetrandevelopers', 'zetasql', 'lib', 'zetasql')
const binary = join(
  folder,
  `remote_server${process.arch.startsWith('arm') ? '_arm' : ''}${process.platform === 'darwin' ? '' : '.so'}`,
)

/** Why ZetaSQL cannot be had here; undefined when it can. */
export const zetasqlMissing =
  ['linux', 'darwin'].includes(process.platform) && ['x64', 'arm64'].includes(process.arch)
    ? undefined
    : `npm has no ZetaSQL for ${process.platform} ${process.arch}`

if (zetasqlMissing !== undefined) process.stderr.write(`\nBigQuery's SQL is NOT tested here. ${zetasqlMissing}\n\n`)

/** Protocol buffers as plain objects; what a test reads of them it names. */
export type Message = { readonly [member: string]: unknown }

export interface ZetaType {
  readonly typeKind: string
  readonly arrayType?: { readonly elementType: ZetaType } | null
  readonly structType?: {
    readonly field: readonly { readonly fieldName: string; readonly fieldType: ZetaType }[]
  } | null
}

export interface ZetaColumn {
  readonly name: string
  readonly type: ZetaType
}

/** One cell, by the name of its member of `ValueProto`: `{ int64Value: '5' }`; empty for NULL. */
export type ZetaValue = { readonly [member: string]: unknown }

export interface ZetaTable {
  /** Dotted parts, outermost first. */
  readonly path: readonly string[]
  readonly columns: readonly ZetaColumn[]
  readonly rows?: readonly (readonly ZetaValue[])[]
}

export interface ZetaParameter {
  readonly name: string
  readonly type: ZetaType
  readonly value: ZetaValue
}

export interface ZetaResult {
  readonly columns: readonly ZetaColumn[]
  readonly rows: readonly (readonly ZetaValue[])[]
}

export interface ZetaSql {
  /** The resolved statement. Throws with the analyser's words. */
  analyze(
    sql: string,
    tables?: readonly ZetaTable[],
    parameters?: readonly Omit<ZetaParameter, 'value'>[],
  ): Promise<Message>
  /** What a query gives. Throws with the engine's words. */
  evaluate(sql: string, tables?: readonly ZetaTable[], parameters?: readonly ZetaParameter[]): Promise<ZetaResult>
  /** Dotted names of the tables that a statement, or a script, reads or writes. */
  tablesOf(sql: string): Promise<readonly (readonly string[])[]>
  stop(): Promise<void>
}

export function typeOf(kind: string): ZetaType {
  return { typeKind: `TYPE_${kind}` }
}

type Call = (request: object, done: (error: Error | null, answer: Message) => void) => void

/** The part of `@grpc/grpc-js` that is used. */
interface Grpc {
  loadPackageDefinition(definition: unknown): { readonly zetasql: { readonly local_service: Services } }
  readonly credentials: { createInsecure(): unknown }
}
interface Services {
  readonly ZetaSqlLocalService: new (address: string, credentials: unknown, options: object) => Client
}
interface Client {
  waitForReady(deadline: number, done: (error?: Error) => void): void
  close(): void
  readonly analyze: Call
  readonly evaluateQuery: Call
  readonly extractTableNamesFromStatement: Call
  readonly getLanguageOptions: Call
}
interface ProtoLoader {
  loadSync(file: string, options: object): unknown
}

const startSeconds = 30

const aliases = ['int', 'smallint', 'integer', 'bigint', 'tinyint', 'byteint'].map(name => ({
  name,
  type: typeOf('INT64'),
}))

/** Starts a server; the caller stops it. Throws where the binary ought to be there and is not. */
export async function startZetaSql(): Promise<ZetaSql> {
  if (zetasqlMissing !== undefined) throw new Error(zetasqlMissing)
  if (!existsSync(binary)) throw new Error(`${binary} is missing: \`npm test\` installs it`)
  const port = await freePort()
  const child = spawn(binary, ['localhost', String(port)], { stdio: 'ignore' })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const client = connect(port)
  process.once('exit', () => child.kill('SIGKILL'))
  try {
    await Promise.race([ready(client), exited.then(() => Promise.reject(new Error('ZetaSQL ended at once')))])
    return await serve(client, child, exited)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

function connect(port: number): Client {
  const require = createRequire(join(import.meta.dirname, 'package.json'))
  const grpc = require('@grpc/grpc-js') as Grpc
  const loader = require('@grpc/proto-loader') as ProtoLoader
  const definition = loader.loadSync('local_service.proto', {
    ...{ keepCase: false, longs: String, enums: String, bytes: Buffer, oneofs: true },
    includeDirs: [join(folder, 'protos')],
  })
  const { ZetaSqlLocalService } = grpc.loadPackageDefinition(definition).zetasql.local_service
  const most = 512 * 1024 * 1024
  return new ZetaSqlLocalService(`localhost:${port}`, grpc.credentials.createInsecure(), {
    'grpc.max_send_message_length': most,
    'grpc.max_receive_message_length': most,
  })
}

function ready(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + startSeconds * 1000, error => (error === undefined ? resolve() : reject(error)))
  })
}

async function serve(client: Client, child: ChildProcess, exited: Promise<void>): Promise<ZetaSql> {
  const languageOptions = {
    ...(await call(client, 'getLanguageOptions', { maximumFeatures: true })),
    supportedStatementKinds: [],
  }
  const options = (parameters: readonly Omit<ZetaParameter, 'value'>[]) => ({
    languageOptions: {
      ...languageOptions,
      productMode: 'PRODUCT_EXTERNAL',
      nameResolutionMode: 'NAME_RESOLUTION_DEFAULT',
    },
    defaultTimezone: 'UTC',
    errorMessageMode: 'ERROR_MESSAGE_ONE_LINE',
    pruneUnusedColumns: true,
    queryParameters: parameters.map(({ name, type }) => ({ name, type })),
  })
  const catalog = (tables: readonly ZetaTable[]) => ({
    ...catalogOf(tables, 0),
    builtinFunctionOptions: { languageOptions },
    // Names that BigQuery knows and its analyser does not.
    namedType: aliases,
  })
  return {
    async analyze(sql, tables = [], parameters = []) {
      return call(client, 'analyze', {
        sqlStatement: sql,
        simpleCatalog: catalog(tables),
        options: options(parameters),
      })
    },
    async evaluate(sql, tables = [], parameters = []) {
      const answer = await call(client, 'evaluateQuery', {
        ...{ sql, simpleCatalog: catalog(tables), options: options(parameters) },
        tableContent: Object.fromEntries(
          tables.map(({ path, rows = [] }) => [path.join('.'), { tableData: { row: rows.map(cell => ({ cell })) } }]),
        ),
        params: parameters.map(({ name, value }) => ({ name, value })),
      })
      return resultOf(answer)
    },
    async tablesOf(sql) {
      const answer = await call(client, 'extractTableNamesFromStatement', {
        ...{ sqlStatement: sql, options: languageOptions, allowScript: true },
      })
      const names = (answer.tableName ?? []) as readonly { readonly tableNameSegment: readonly string[] }[]
      return names.map(({ tableNameSegment }) => tableNameSegment)
    },
    async stop() {
      client.close()
      child.kill('SIGKILL')
      await exited
    },
  }
}

function call(
  client: Client,
  method: 'analyze' | 'evaluateQuery' | 'extractTableNamesFromStatement' | 'getLanguageOptions',
  request: object,
) {
  return new Promise<Message>((resolve, reject) => {
    client[method](request, (error, answer) => (error === null ? resolve(answer) : reject(plain(error))))
  })
}

/** gRPC puts its status before the engine's words. */
function plain(error: Error): Error {
  const details = (error as Error & { readonly details?: string }).details
  return new Error(details === undefined || details === '' ? error.message : details)
}

/** Catalogs within catalogs, one for each part of a name but the last. */
function catalogOf(tables: readonly ZetaTable[], depth: number): Message {
  const here = tables.filter(({ path }) => path.length === depth + 1)
  const below = new Map<string, ZetaTable[]>()
  for (const table of tables) {
    const name = table.path[depth] ?? ''
    if (table.path.length > depth + 1) below.set(name, [...(below.get(name) ?? []), table])
  }
  return {
    table: here.map(({ path, columns }) => ({
      ...{
        name: path.join('.'),
        nameInCatalog: path.at(-1),
        column: columns.map(({ name, type }) => ({ name, type })),
      },
    })),
    catalog: [...below].map(([name, inner]) => ({ name, ...catalogOf(inner, depth + 1) })),
  }
}

function resultOf({ content, prepared }: Message): ZetaResult {
  const { tableData } = (content ?? {}) as { tableData?: { row?: readonly { cell?: readonly ZetaValue[] }[] } | null }
  const { columns } = prepared as { columns: readonly ZetaColumn[] }
  return { columns, rows: (tableData?.row ?? []).map(({ cell = [] }) => cell) }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve))
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
