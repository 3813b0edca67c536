/**
 * BigQuery's REST interface, as far as the official client is asked for it here, over ZetaSQL's evaluator: for tests. Faults can be
 * injected: answers that say 429 or 503, answers that are lost after the work was done, jobs that are not complete when asked, jobs
 * that fail. What a duplicate job id brings, 409, comes by itself.
 *
 * It holds some 30,000 rows a statement (the evaluator takes requests of 4 MB), has no INFORMATION_SCHEMA, no partitions, and no
 * opinion about quotas, slots and concurrent DML: a real project answers those (test/warehouse/bigquery-real.test.ts).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ZetaColumn, ZetaParameter, ZetaResult } from '../engines/zetasql.ts'
import { bytesOfColumn, type Scan, totalOf } from './bytes.ts'
import { Engine, EngineError, type StoredTable } from './engine.ts'
import { HttpError, Permissions } from './permissions.ts'
import { cellOf, fieldOf, readValue, typeNamed } from './values.ts'

/** What goes wrong with the next requests of a kind. */
export type Fault =
  | { readonly status: number; readonly reason: string; readonly message?: string }
  /** The work is done, and the connection closed without an answer. */
  | 'lost'
  /** `jobComplete: false`. */
  | 'incomplete'
  /** A job that is accepted and fails. */
  | { readonly jobFails: string; readonly message?: string }

export interface BigqueryServer {
  readonly url: string
  readonly engine: Engine
  /** `POST /jobs`, `GET /queries`: each request in its order, without ids. */
  readonly requests: string[]
  /** The SQL of each job in its order. */
  readonly statements: string[]
  /** Each job is counted from now on before it is done, which takes an analysis more; or no longer. */
  count(on?: boolean): void
  /** What each query job reads, where the server was asked to count it. */
  readonly bills: Bill[]
  /** What permissions were asked for, and which of them are held, each question in its order. */
  readonly asked: readonly {
    readonly on: string
    readonly permissions: readonly string[]
    readonly held: readonly string[]
  }[]
  /** Takes permissions away from now on; `on` is `project`, a dataset (with its tables) or `dataset.table`. */
  deny(on: string, ...permissions: readonly string[]): void
  /** Gives all of them back. */
  allow(): void
  /** The next `times` requests of this kind (the next one unless told). */
  inject(request: string, fault: Fault, times?: number): void
  /** The rows of a query, by the table that its job says it left them in. */
  resultOf(dataset: string, table: string): ZetaResult | undefined
  stop(): Promise<void>
}

export interface Bill {
  readonly sql: string
  readonly scans: readonly Scan[]
}

interface StoredJob {
  readonly id: string
  bytes?: number
  readonly location: string
  state: 'RUNNING' | 'DONE'
  error?: { readonly reason: string; readonly message: string }
  result?: ZetaResult
  done: Promise<void>
  finish(): void
}

export const testProject = 'acme'

/** BigQuery keeps the result of a query in a table that has no name of its own. */
const resultsDataset = '_f00d'

export async function startBigquery({ location = 'EU' } = {}): Promise<BigqueryServer> {
  const service = new Service(location)
  const server = createServer((request, response) => void service.answer(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    engine: service.engine,
    requests: service.requests,
    statements: service.statements,
    bills: service.bills,
    count(on = true) {
      service.counting = on
    },
    asked: service.permissions.asked,
    deny: (on, ...permissions) => service.permissions.deny(on, permissions),
    allow: () => service.permissions.allow(),
    inject: (request, fault, times = 1) => service.inject(request, fault, times),
    resultOf: (dataset, table) => (dataset === resultsDataset ? service.resultOf(table) : undefined),
    async stop() {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
      await service.engine.stop()
    },
  }
}

class Service {
  readonly engine = new Engine(testProject)
  readonly permissions = new Permissions(this.engine)
  readonly requests: string[] = []
  readonly statements: string[] = []
  readonly bills: Bill[] = []
  readonly #location: string
  counting = false
  readonly #jobs = new Map<string, StoredJob>()
  readonly #changed = new WeakMap<StoredTable, number>()
  #clock = 1_760_000_000_000
  #faults: { readonly request: string; readonly fault: Fault }[] = []

  constructor(location: string) {
    this.#location = location
  }

  inject(request: string, fault: Fault, times: number): void {
    this.#faults.push(...Array.from({ length: times }, () => ({ request, fault })))
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const parts = url.pathname.split('/').filter(part => part !== '')
    const kind = kindOf(`${request.method}`, parts)
    this.requests.push(kind)
    const body = await textOf(request)
    const at = this.#faults.findIndex(each => each.request === kind)
    const fault = at < 0 ? undefined : this.#faults.splice(at, 1)[0]?.fault
    try {
      if (typeof fault === 'object' && 'status' in fault)
        throw new HttpError(fault.status, fault.reason, fault.message ?? fault.reason)
      const answer = await this.#route(kind, parts.slice(3).map(decodeURIComponent), url, body, fault)
      if (fault === 'lost') request.socket.destroy()
      else respond(response, 200, answer)
    } catch (error) {
      const { status, reason, message } =
        error instanceof HttpError ? error : new HttpError(500, 'internalError', String((error as Error).stack))
      respond(response, status, { error: { code: status, message, errors: [{ reason, message, domain: 'global' }] } })
    }
  }

  async #route(
    kind: string,
    parts: readonly string[],
    url: URL,
    body: string,
    fault: Fault | undefined,
  ): Promise<object> {
    const [project = '', , first = '', , second = ''] = parts
    this.#refuse(kind, first, second)
    switch (kind) {
      case 'POST /projects:testIamPermissions':
        return this.permissions.test('project', JSON.parse(body))
      case 'POST /datasets/tables:testIamPermissions':
        return this.permissions.test(`${first}.${second.replace(/:.*/, '')}`, JSON.parse(body))
      case 'POST /datasets/tables':
        return this.#makeTable(first, JSON.parse(body))
      case 'GET /datasets':
        return this.#dataset(first)
      case 'POST /datasets':
        return this.#makeDataset(JSON.parse(body))
      case 'GET /datasets/tables':
        return second === '' ? this.#listTables(first, url) : this.#table(`${project}.${first}.${second}`)
      case 'DELETE /datasets/tables':
        this.engine.tables.delete(`${first}.${second}`)
        return {}
      case 'PATCH /datasets/tables':
        return {}
      case 'POST /jobs':
        return url.pathname.startsWith('/upload') ? this.#upload(body, fault) : this.#insert(JSON.parse(body), fault)
      case 'GET /jobs':
        return jobResource(this.#job(first))
      case 'POST /jobs/cancel':
        return this.#cancel(this.#job(first))
      case 'GET /queries':
        return this.#results(this.#job(first), url, fault)
      default:
        throw new HttpError(404, 'notFound', `no route ${kind}`)
    }
  }

  /** As far as requests are concerned; what statements need is the engine's to refuse, and `#start`'s. */
  #refuse(kind: string, dataset: string, table: string): void {
    const needed: Readonly<Record<string, readonly [string, string]>> = {
      'POST /jobs': ['project', 'bigquery.jobs.create'],
      'POST /datasets': ['project', 'bigquery.datasets.create'],
      'GET /datasets': [dataset, 'bigquery.datasets.get'],
      'POST /datasets/tables': [dataset, 'bigquery.tables.create'],
      'DELETE /datasets/tables': [`${dataset}.${table}`, 'bigquery.tables.delete'],
    }
    const [on, permission] = needed[kind] ?? []
    if (on !== undefined && permission !== undefined && (kind !== 'GET /datasets' || this.engine.datasets.has(dataset)))
      this.permissions.demand(on, permission)
  }

  #makeTable(dataset: string, { tableReference, schema }: TableRequest): object {
    this.#dataset(dataset)
    const columns = schema.fields.map(({ name, type }) => ({ name, type: typeNamed(type) }))
    this.engine.tables.set(`${dataset}.${tableReference.tableId}`, { kind: 'TABLE', columns, rows: [] })
    return {}
  }

  #dataset(id: string): object {
    const location = this.engine.datasets.get(id)
    if (location === undefined) throw new HttpError(404, 'notFound', `Not found: Dataset ${testProject}:${id}`)
    return { id: `${testProject}:${id}`, location }
  }

  #makeDataset({ datasetReference, location }: { datasetReference: { datasetId: string }; location?: string }): object {
    const id = datasetReference.datasetId
    if (this.engine.datasets.has(id))
      throw new HttpError(409, 'duplicate', `Already Exists: Dataset ${testProject}:${id}`)
    this.engine.datasets.set(id, location ?? this.#location)
    return this.#dataset(id)
  }

  #listTables(dataset: string, url: URL): object {
    this.#dataset(dataset)
    const all = [...this.engine.tables].filter(([name]) => name.startsWith(`${dataset}.`))
    const from = Number(url.searchParams.get('pageToken') ?? 0)
    // Short pages, so that whoever reads the first alone is found out.
    const page = all.slice(from, from + 20).map(([name, { kind }]) => ({
      type: kind,
      tableReference: { projectId: testProject, datasetId: dataset, tableId: name.slice(dataset.length + 1) },
    }))
    return { tables: page, ...(from + 20 < all.length ? { nextPageToken: String(from + 20) } : {}) }
  }

  /** A table is replaced, never changed: each that is seen for the first time was changed just now. */
  #table(name: string): object {
    const local = name.startsWith(`${testProject}.`) ? name.slice(testProject.length + 1) : name
    const table = this.engine.tables.get(local)
    if (table === undefined) throw new HttpError(404, 'notFound', `Not found: Table ${name}`)
    const changed = this.#changed.get(table) ?? this.#clock++
    this.#changed.set(table, changed)
    const { kind: type, columns, rows, more } = table
    const bytes = columns.reduce((sum, { name: column }) => sum + bytesOfColumn(table, column), 0)
    return {
      ...{ type, schema: schemaOf(columns), creationTime: '1760000000000', lastModifiedTime: String(changed) },
      ...{ numRows: String(rows.length), numBytes: String(bytes), ...more },
    }
  }

  resultOf(table: string): ZetaResult | undefined {
    return this.#jobs.get(table.replace(/^anon/, ''))?.result
  }

  #job(id: string): StoredJob {
    const job = this.#jobs.get(id)
    if (job === undefined) throw new HttpError(404, 'notFound', `Not found: Job ${testProject}:${id}`)
    return job
  }

  async #insert({ jobReference, configuration }: JobRequest, fault: Fault | undefined): Promise<object> {
    const { query } = configuration
    if (query === undefined) throw new HttpError(400, 'invalid', 'a job needs a query')
    if (configuration.dryRun === true) return this.#dryRun(query.query)
    const parameters = (query.queryParameters ?? []).map(({ name, parameterType, parameterValue }): ZetaParameter => {
      const type = typeNamed(parameterType.type)
      return { name, type, value: readValue(parameterValue.value, type) }
    })
    return this.#start(jobReference, fault, async job => {
      this.statements.push(query.query)
      const [, copied = ''] =
        /create snapshot table .* clone `(?:acme\.)?([^`]+)`.*expiration/is.exec(query.query) ?? []
      if (copied !== '') this.permissions.demand(copied, 'bigquery.tables.deleteSnapshot')
      await this.#count(job, query, parameters)
      return this.engine.execute(query.query, parameters)
    })
  }

  async #count(job: StoredJob, { query, maximumBytesBilled }: QueryRequest, parameters: readonly ZetaParameter[]) {
    const budget = Number(maximumBytesBilled ?? Number.POSITIVE_INFINITY)
    if (!this.counting && (budget === Number.POSITIVE_INFINITY || (await this.engine.mostBytes(query)) <= budget))
      return
    const scans = await this.engine.scans(query, parameters)
    job.bytes = totalOf(scans)
    this.bills.push({ sql: query, scans })
    if (job.bytes <= budget) return
    const message = `Query exceeded limit for bytes billed: ${maximumBytesBilled}. ${job.bytes} or higher required.`
    throw new EngineError('bytesBilledLimitExceeded', message)
  }

  async #dryRun(sql: string): Promise<object> {
    try {
      const columns = await this.engine.describe(sql)
      const bytes = String(await this.engine.bytesRead(sql))
      const referencedTables = (await this.engine.tablesBehind(sql)).map(name => {
        const [tableId, datasetId, projectId = testProject] = name.split('.').reverse()
        return { projectId, datasetId, tableId }
      })
      return {
        jobReference: {},
        status: { state: 'DONE' },
        statistics: { totalBytesProcessed: bytes, query: { schema: schemaOf(columns), referencedTables } },
      }
    } catch (error) {
      throw error instanceof EngineError ? new HttpError(400, error.reason, error.message) : error
    }
  }

  #upload(body: string, fault: Fault | undefined): object {
    const { json, media } = partsOf(body)
    const { jobReference, configuration } = JSON.parse(json) as JobRequest
    const { load } = configuration
    if (load === undefined) throw new HttpError(400, 'invalid', 'an upload needs a load')
    return this.#start(jobReference, fault, async () => {
      const { datasetId, tableId } = load.destinationTable
      this.#dataset(datasetId)
      const columns = load.schema.fields.map(({ name, type }) => ({ name, type: typeNamed(type) }))
      const lines = media.split('\n').filter(line => line.trim() !== '')
      const rows = lines.map(line => {
        const values = JSON.parse(line) as Readonly<Record<string, unknown>>
        return columns.map(({ name, type }) => readValue(values[name], type))
      })
      this.engine.tables.set(`${datasetId}.${tableId}`, { kind: 'TABLE', columns, rows })
      return { columns: [], rows: [] }
    })
  }

  #start(reference: JobReference, fault: Fault | undefined, work: (job: StoredJob) => Promise<ZetaResult>): object {
    const { jobId, location = this.#location } = reference
    if (this.#jobs.has(jobId))
      throw new HttpError(409, 'duplicate', `Already Exists: Job ${testProject}:${location}.${jobId}`)
    const job: StoredJob = { id: jobId, location, state: 'RUNNING', done: Promise.resolve(), finish: () => undefined }
    job.done = new Promise(resolve => {
      job.finish = () => {
        job.state = 'DONE'
        resolve()
      }
    })
    this.#jobs.set(jobId, job)
    const run =
      typeof fault === 'object' && 'jobFails' in fault
        ? Promise.reject(new EngineError(fault.jobFails, fault.message ?? 'injected'))
        : work(job)
    void run.then(
      result => {
        job.result ??= result
        job.finish()
      },
      (error: unknown) => {
        const reason = error instanceof EngineError || error instanceof HttpError ? error.reason : 'invalid'
        job.error ??= { reason, message: error instanceof Error ? error.message : String(error) }
        job.finish()
      },
    )
    return jobResource(job)
  }

  /** The evaluator cannot be asked to stop: it is ended. */
  async #cancel(job: StoredJob): Promise<object> {
    if (job.state === 'RUNNING') {
      job.error = { reason: 'stopped', message: 'Job execution was cancelled: User requested cancellation' }
      job.finish()
      await this.engine.restart()
    }
    return { job: jobResource(job) }
  }

  async #results(job: StoredJob, url: URL, fault: Fault | undefined): Promise<object> {
    if (fault === 'incomplete') return { jobComplete: false, jobReference: { jobId: job.id } }
    const patience = new Promise(resolve =>
      setTimeout(resolve, Number(url.searchParams.get('timeoutMs') ?? 10_000)).unref(),
    )
    await Promise.race([job.done, patience])
    if (job.state === 'RUNNING') return { jobComplete: false, jobReference: { jobId: job.id } }
    if (job.error !== undefined) throw new HttpError(400, job.error.reason, job.error.message)
    const { columns, rows } = job.result ?? { columns: [], rows: [] }
    const from = Number(url.searchParams.get('pageToken') ?? url.searchParams.get('startIndex') ?? 0)
    const to = Math.min(rows.length, from + Number(url.searchParams.get('maxResults') ?? 10_000))
    const page = rows
      .slice(from, to)
      .map(row => ({ f: columns.map(({ type }, index) => ({ v: cellOf(row[index], type) })) }))
    return {
      ...{ jobComplete: true, schema: schemaOf(columns), rows: page, totalRows: String(rows.length) },
      totalBytesProcessed: String(job.bytes ?? 0),
      ...(to < rows.length && to > from ? { pageToken: String(to) } : {}),
    }
  }
}

interface JobReference {
  readonly jobId: string
  readonly location?: string
}

interface QueryRequest {
  readonly query: string
  readonly maximumBytesBilled?: string
  readonly queryParameters?: readonly {
    readonly name: string
    readonly parameterType: { readonly type: string }
    readonly parameterValue: { readonly value: unknown }
  }[]
}

interface TableRequest {
  readonly tableReference: { readonly tableId: string }
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type: string }[] }
}

interface JobRequest {
  readonly jobReference: JobReference
  readonly configuration: {
    readonly dryRun?: boolean
    readonly query?: QueryRequest
    readonly load?: {
      readonly destinationTable: { readonly datasetId: string; readonly tableId: string }
      readonly schema: { readonly fields: readonly { readonly name: string; readonly type: string }[] }
    }
  }
}

/** A column without a name gets one. */
function schemaOf(columns: readonly ZetaColumn[]): object {
  return {
    fields: columns.map((column, index) => fieldOf(column.name === '' ? { ...column, name: `f${index}_` } : column)),
  }
}

function jobResource({ id, location, state, error }: StoredJob): object {
  const status = { state, ...(state === 'DONE' && error !== undefined ? { errorResult: error } : {}) }
  const destinationTable = { projectId: testProject, datasetId: resultsDataset, tableId: `anon${id}` }
  const jobReference = { projectId: testProject, jobId: id, location }
  return { kind: 'bigquery#job', jobReference, status, configuration: { query: { destinationTable } } }
}

/** Method and kinds of things, without their names: `POST /jobs`, `POST /datasets/tables:testIamPermissions`. */
function kindOf(method: string, parts: readonly string[]): string {
  const [, verb] = /:(\w+)$/.exec(parts.at(-1) ?? '') ?? []
  // The Resource Manager's paths are shorter.
  if (parts[0] === 'v1') return `${method} /projects${verb === undefined ? '' : `:${verb}`}`
  const kinds = parts.slice(parts[0] === 'upload' ? 5 : 4).filter((_, index) => index % 2 === 0)
  return `${method} /${kinds.join('/')}${verb === undefined ? '' : `:${verb}`}`
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** The two parts of a multipart upload. */
function partsOf(body: string): { readonly json: string; readonly media: string } {
  const boundary = body.slice(0, body.indexOf('\r\n'))
  const parts = body.split(boundary).slice(1, 3)
  const [json = '', media = ''] = parts.map(part => part.slice(part.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, ''))
  return { json, media }
}

function respond(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
