/**
 * BigQuery, over the official client. The state stands in a dataset of its own, and so do scratch tables, under a token that
 * this open warehouse alone has: they are dropped when it is closed, and end by themselves where it never was.
 */
import { randomBytes } from 'node:crypto'
import type { SecretReaders } from '../project/secret.ts'
import { type BigquerySettings, bytesOf, type Connection, connectBigquery } from './bigquery-connect.ts'
import { bigqueryDialect, scratchDays } from './bigquery-dialect.ts'
import {
  bigqueryFailure,
  type Context,
  closedFailure,
  refusalOf,
  StorageRefusal,
  settingFailure,
  storageFailure,
} from './bigquery-error.ts'
import { inOrder } from './bigquery-in-order.ts'
import { Jobs, type Page, sendOnce } from './bigquery-jobs.ts'
import { schemaOf, withJsonLines } from './bigquery-load.ts'
import { TableMetadata } from './bigquery-metadata.ts'
import { quoteName, scratchPrefix } from './bigquery-name.ts'
import { askPermissions, namingMissing, type PermissionAnswer } from './bigquery-permissions.ts'
import { transactionScript } from './bigquery-script.ts'
import { type StorageLimits, StorageReads, storageLimits } from './bigquery-storage.ts'
import { columnType } from './bigquery-types.ts'
import { type Field, nativeOf, parameterOf, rowsOf } from './bigquery-value.ts'
import type { Bill, TableSize } from './billing.ts'
import type { Column } from './dialect.ts'
import type { Statement } from './sql.ts'
import type { LargeReads, Row, SeedColumn, StreamOptions, Warehouse } from './warehouse.ts'

/** REST `Dataset`, as far as it is read. */
interface Dataset {
  readonly location: string
}

/**
 * Opens a warehouse, and makes the dataset of the state if need be.
 *
 * Throws ActivateError: A3050 not reached; A3051 credentials; A3053 a permission, with the grant that gives it; A3054 the
 * dataset is in another location than the settings say; A3059 a setting.
 */
export async function openBigquery(
  settings: BigquerySettings,
  readers: SecretReaders,
  limits: StorageLimits = storageLimits,
): Promise<Warehouse> {
  const maximumBytesBilled = bytesOf(settings.maximum_bytes_billed)
  const connection = await connectBigquery(settings, readers)
  const token = randomBytes(5).toString('hex')
  const jobs = (location: string) => new Jobs({ connection, location, token, maximumBytesBilled })
  const context = {
    ...{ project: connection.project, state: settings.state, identity: connection.identity },
    ...{ budget: settings.maximum_bytes_billed, location: settings.location ?? 'US' },
  }
  const ask = () => askOver(connection, settings, [])
  try {
    const { location } = await prepareDataset(jobs(context.location), settings, connection)
    return new BigqueryWarehouse(
      jobs(location),
      connection,
      { ...context, location },
      { token, undoDays: settings.undo_days, storageRead: settings.storage_read ?? 'auto', limits },
      ratesOf(settings),
      ask,
    )
  } catch (error) {
    throw await namingMissing(bigqueryFailure(error, context), ask)
  }
}

/** Every permission that nights need, asked for without opening anything. `sources`: paths of the tables and views that are read. */
export async function askBigquery(
  settings: BigquerySettings,
  readers: SecretReaders,
  sources: readonly (readonly string[])[],
): Promise<readonly PermissionAnswer[]> {
  return askOver(await connectBigquery(settings, readers), settings, sources)
}

/** Milliseconds for one question; where the Resource Manager cannot be reached, that is found out soon. */
const patience = 10_000

function askOver(
  connection: Connection,
  { state, undo_days: undoDays }: BigquerySettings,
  sources: readonly (readonly string[])[],
): Promise<readonly PermissionAnswer[]> {
  const wanted = { connection, state, keepsCopies: undoDays !== 0, sources }
  return askPermissions(wanted, request => sendOnce(connection, { ...request, timeout: patience }), Date.now())
}

function ratesOf(settings: BigquerySettings): Pick<Bill, 'budget' | 'dollarsPerTebibyte'> {
  const { maximum_bytes_billed: written, price_per_tib: dollarsPerTebibyte = 6.25 } = settings
  const bytes = bytesOf(written)
  return { dollarsPerTebibyte, budget: bytes === undefined || written === undefined ? undefined : { bytes, written } }
}

async function prepareDataset(
  jobs: Jobs,
  { state, location }: BigquerySettings,
  { project }: Connection,
): Promise<Dataset> {
  const dataset = await findDataset(jobs, state)
  if (dataset === undefined) {
    const json = {
      ...{ datasetReference: { projectId: project, datasetId: state }, labels: { tool: 'activate' } },
      ...(location === undefined ? {} : { location }),
    }
    try {
      return await jobs.send<Dataset>({ method: 'POST', uri: '/datasets', json })
    } catch (error) {
      // Somebody else has made it in between, or an earlier request whose answer was lost.
      const made = refusalOf(error).status === 409 ? await findDataset(jobs, state) : undefined
      if (made === undefined) throw error
      return made
    }
  }
  if (location === undefined || location.toLowerCase() === dataset.location.toLowerCase()) return dataset
  throw settingFailure(
    'location',
    `it says ${location}, but the dataset ${state} is in ${dataset.location}`,
    'a dataset never moves: say where it is, or name another warehouse.state',
  )
}

async function findDataset(jobs: Jobs, state: string): Promise<Dataset | undefined> {
  try {
    return await jobs.send<Dataset>({ uri: `/datasets/${state}` })
  } catch (error) {
    if (refusalOf(error).status === 404) return undefined
    throw error
  }
}

/** Rows of a page; BigQuery ends one earlier where it would outgrow 20 MB. */
const pageRows = 50_000

interface Choices {
  readonly token: string
  readonly undoDays: number | undefined
  readonly storageRead: 'auto' | 'always' | 'never'
  readonly limits: StorageLimits
}

/** A query that has run, with the first page of its rows. */
interface Answer {
  readonly jobId: string
  readonly page: Page
}

class BigqueryWarehouse implements Warehouse {
  readonly dialect
  readonly state: readonly string[]
  readonly metadata: TableMetadata
  readonly #jobs: Jobs
  readonly #context: Context
  readonly #token: string
  readonly #ask: () => Promise<readonly PermissionAnswer[]>
  readonly #storageRead: Choices['storageRead']
  /** The least number of rows that come over it. */
  readonly #largeResult: number
  readonly #storage: StorageReads
  readonly bill: Bill

  constructor(
    jobs: Jobs,
    connection: Connection,
    context: Context,
    { token, undoDays, storageRead, limits }: Choices,
    rates: Pick<Bill, 'budget' | 'dollarsPerTebibyte'>,
    ask: () => Promise<readonly PermissionAnswer[]>,
  ) {
    this.#ask = ask
    this.state = [context.state]
    this.dialect = bigqueryDialect({ state: this.state, token, undoDays })
    this.#jobs = jobs
    this.#context = context
    this.#token = token
    this.#storageRead = storageRead
    this.#largeResult = storageRead === 'always' ? 1 : limits.largeResult
    this.#storage = new StorageReads(connection, limits)
    this.metadata = new TableMetadata(jobs, connection, work => this.#guarded(work))
    this.bill = {
      billed: () => jobs.billed(),
      estimate: select =>
        this.#unlessMissing(async () => Number((await jobs.dryRun(select)).statistics?.totalBytesProcessed)),
      sizeOf: relation => this.#unlessMissing(() => this.#sizeOf(relation)),
      ...rates,
    }
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const rows: Row[] = []
    const answer = await this.#guarded(() => this.#run(statement, pageRows))
    for await (const page of this.#pages(answer, 0, pageRows)) rows.push(...page)
    return rows
  }

  /**
   * BigQuery keeps a result for a day, as it was when it was computed, and gives it out page by page, or, where it is large and its rows
   * are numbered, over the Storage Read API.
   */
  async *stream(
    statement: Statement,
    { chunkRows = 10_000, numbered, onNote }: StreamOptions = {},
  ): AsyncGenerator<readonly Row[]> {
    const answer = await this.#guarded(() => this.#run(statement, chunkRows))
    const total = Number(answer.page.totalRows ?? 0)
    const column = this.#storageRead === 'never' ? undefined : numbered
    if (column === undefined || total < this.#largeResult) {
      yield* this.#pages(answer, 0, chunkRows)
      return
    }
    const [row] = rowsOf(answer.page.rows ?? [], fieldsOf(answer))
    const ways = {
      fast: () => this.#stored(answer, total, chunkRows),
      slow: (count: number) => this.#pages(answer, count, chunkRows),
      onEnd: (reason: unknown, count: number) => this.#leaveStorage(reason, count, onNote),
    }
    yield* inOrder(ways, { column, first: Number(row?.[column]), total })
  }

  async execute(statement: Statement): Promise<void> {
    await this.#guarded(() => this.#run(statement, 0))
  }

  async transaction(statements: readonly Statement[]): Promise<void> {
    if (statements.length > 0) await this.execute(transactionScript(statements))
  }

  async describe(select: string): Promise<readonly Column[]> {
    const known = await this.metadata.fieldsOf(select)
    return (known ?? (await this.#dryRun(select))).map(field => {
      const native = nativeOf(field)
      return { name: field.name, type: columnType(native), native }
    })
  }

  async #dryRun(select: string): Promise<readonly Field[]> {
    const isSelect = /^(?:\s|--[^\n]*\n|\/\*.*?\*\/)*(?:select|with|\()/is.test(select)
    const { statistics } = await this.#guarded(() => this.#jobs.dryRun(isSelect ? select : `select * from ${select}`))
    return statistics?.query?.schema?.fields ?? []
  }

  async tables(schema: readonly string[], prefix: string): Promise<readonly string[]> {
    const names = await this.#guarded(() => this.#listTables(schema))
    return names.filter(name => name.startsWith(prefix) && !name.startsWith(scratchPrefix)).sort()
  }

  /** A listing of tables does not say their columns here. */
  async columns(): Promise<undefined> {
    return undefined
  }

  async load(
    parts: readonly string[] | { readonly scratch: string },
    columns: readonly SeedColumn[],
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
  ): Promise<number> {
    const isScratch = 'scratch' in parts
    const path = isScratch ? [...this.state, `${scratchPrefix}${this.#token}__${parts.scratch}`] : parts
    const destinationTable = this.#reference(path)
    return withJsonLines(columns, rows, async (file, count) => {
      // A file without a line is no file to a load job.
      if (count === 0) await this.execute({ sql: emptyTable(this.dialect.relation(path), columns), params: [] })
      const load = {
        ...{ destinationTable, schema: schemaOf(columns), sourceFormat: 'NEWLINE_DELIMITED_JSON' },
        ...{ writeDisposition: 'WRITE_TRUNCATE', createDisposition: 'CREATE_IF_NEEDED' },
      }
      if (count > 0) await this.#guarded(() => this.#jobs.load(file, load))
      if (isScratch) await this.#guarded(() => this.#expire(path))
      return count
    })
  }

  async #sizeOf(relation: string): Promise<TableSize> {
    const parts = relation.replaceAll('`', '').split('.')
    const { numRows = '0', numBytes = '0' } = await this.#jobs.send<TableResource>({ uri: this.#tableUri(parts) })
    return { rows: Number(numRows), bytes: Number(numBytes) }
  }

  async #unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
    return this.#guarded(async () => {
      try {
        return await work()
      } catch (error) {
        if (refusalOf(error).reason === 'notFound') return undefined
        throw error
      }
    })
  }

  /** Cancels what is running, and drops the scratch tables. Closing twice does nothing. */
  async close(): Promise<void> {
    if (this.#jobs.isClosed()) return
    await Promise.all([this.#jobs.close(), this.#storage.close()])
    // What cannot be dropped ends by itself.
    await this.#dropScratch().catch(() => undefined)
  }

  async #expire(path: readonly string[]): Promise<void> {
    const expirationTime = String(Date.now() + scratchDays * 86_400_000)
    await this.#jobs.send({ method: 'PATCH', uri: this.#tableUri(path), json: { expirationTime } })
  }

  async #dropScratch(): Promise<void> {
    const names = await this.#listTables(this.state)
    for (const name of names.filter(each => each.startsWith(`${scratchPrefix}${this.#token}__`)))
      await this.#jobs.send({ method: 'DELETE', uri: this.#tableUri([...this.state, name]) })
  }

  async #listTables(schema: readonly string[]): Promise<readonly string[]> {
    const names: string[] = []
    let pageToken: string | undefined
    do {
      const list: TableList = await this.#jobs.send<TableList>({
        uri: this.#datasetUri(schema, '/tables'),
        qs: { maxResults: 1000, ...(pageToken === undefined ? {} : { pageToken }) },
      })
      names.push(
        ...(list.tables ?? []).flatMap(({ type, tableReference }) =>
          type === 'TABLE' || type === 'SNAPSHOT' ? [tableReference.tableId] : [],
        ),
      )
      pageToken = list.nextPageToken
    } while (pageToken !== undefined)
    return names
  }

  #reference(parts: readonly string[]) {
    const [tableId, datasetId, projectId = this.#context.project] = parts.toReversed()
    return { projectId, datasetId, tableId }
  }

  #tableUri(parts: readonly string[]): string {
    return this.#datasetUri(parts.slice(0, -1), `/tables/${encodeURIComponent(parts.at(-1) ?? '')}`)
  }

  #datasetUri(schema: readonly string[], rest: string): string {
    return `/datasets/${encodeURIComponent(schema.at(-1) ?? '')}${rest}`
  }

  /** Those behind the first `skipped` rows. */
  async *#pages(answer: Answer, skipped: number, rowsPerPage: number): AsyncGenerator<readonly Row[]> {
    const fields = fieldsOf(answer)
    const pageFrom = (place: string | number) => this.#guarded(() => this.#jobs.page(answer.jobId, place, rowsPerPage))
    for (let page = skipped === 0 ? answer.page : await pageFrom(skipped); ; ) {
      const rows = rowsOf(page.rows ?? [], fields)
      if (rows.length > 0) yield rows
      if (page.pageToken === undefined) return
      page = await pageFrom(page.pageToken)
    }
  }

  async *#stored(answer: Answer, total: number, chunkRows: number): AsyncGenerator<readonly Row[]> {
    const table = await this.#jobs.resultOf(answer.jobId)
    if (table === undefined) throw new StorageRefusal(undefined, 'the job does not say where its rows are')
    yield* this.#storage.rows({ table, fields: fieldsOf(answer), total, chunkRows })
  }

  /** Rows that can be had in pages are had in pages, unless somebody wants to know when they would have to be. */
  #leaveStorage(reason: unknown, count: number, onNote: StreamOptions['onNote']): void {
    if (this.#jobs.isClosed()) throw closedFailure()
    const failure = storageFailure(reason, this.#context)
    if (this.#storageRead === 'always') throw failure
    const [{ code, message, help } = { code: 'A3061', message: String(reason) }] = failure.problems
    const from = count === 0 ? '' : `, from row ${count + 1} on`
    onNote?.({ code, message: `rows are read in pages${from}: ${message}${help === undefined ? '' : ` (${help})`}` })
  }

  async tryLargeReads(): Promise<LargeReads> {
    const pages = { found: 'in pages', isAmiss: false }
    if (this.#storageRead === 'never') return { ...pages, found: 'in pages, as warehouse.storage_read says' }
    try {
      const answer = await this.#guarded(() => this.#run({ sql: 'select 1 as n', params: [] }, 1))
      for await (const rows of this.#stored(answer, 1, 1)) if (rows[0]?.n !== 1) throw new Error('another row came')
      const from = this.#storageRead === 'always' ? '' : ` from ${this.#largeResult.toLocaleString('en')} rows on`
      return { found: `over the Storage Read API${from}`, isAmiss: false }
    } catch (error) {
      const isLeftOut = error instanceof StorageRefusal && error.code === undefined && this.#storageRead === 'auto'
      const { message = String(error), help } = isLeftOut
        ? error
        : (storageFailure(error, this.#context).problems[0] ?? {})
      return { found: `in pages: ${message}`, isAmiss: !isLeftOut, ...(help === undefined ? {} : { help }) }
    }
  }

  #run({ sql, params }: Statement, rowsPerPage: number) {
    const parameters = params.map((value, index) => parameterOf(value, this.dialect.placeholder(index).slice(1)))
    return this.#jobs.query(sql, parameters, rowsPerPage)
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#jobs.isClosed()) throw closedFailure()
    try {
      return await work()
    } catch (error) {
      throw await namingMissing(bigqueryFailure(error, this.#context), this.#ask)
    }
  }
}

/** REST `Table`, as far as it is read. */
interface TableResource {
  readonly numRows?: string
  readonly numBytes?: string
}

interface TableList {
  readonly tables?: readonly { readonly type: string; readonly tableReference: { readonly tableId: string } }[]
  readonly nextPageToken?: string
}

function emptyTable(relation: string, columns: readonly SeedColumn[]): string {
  const list = schemaOf(columns).fields.map(({ name, type }) => `${quoteName(name)} ${type}`)
  return `create or replace table ${relation} (${list.join(', ')})`
}

function fieldsOf({ page }: Answer): readonly Field[] {
  return page.schema?.fields ?? []
}
