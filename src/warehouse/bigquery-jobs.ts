/**
 * Jobs: everything that BigQuery computes is one. Each has an id that this process chose before it asked, so that a request
 * whose answer was lost can be asked again: the second time BigQuery says 409, and the job is the one that is wanted. A job
 * that failed for a passing reason is repeated under another id, because an id stands for one outcome.
 *
 * Requests go through the official client for its credentials and transport, as plain REST: its own reading of rows rounds
 * INT64, and its paging reads to the end.
 */
import { createReadStream } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from './bigquery-connect.ts'
import { closedFailure, isJobWorthRepeating, isRequestWorthRepeating, JobFailure, refusalOf } from './bigquery-error.ts'
import { tablesRead } from './bigquery-name.ts'
import type { Cell, Field } from './bigquery-value.ts'
import { leastBytesOfTable } from './billing.ts'

export interface JobSettings {
  readonly connection: Connection
  /** Of the state's dataset: where all jobs run. */
  readonly location: string
  /** Tells the jobs of this open warehouse apart from all others. */
  readonly token: string
  readonly maximumBytesBilled: number | undefined
}

export interface TableReference {
  readonly projectId: string
  readonly datasetId: string
  readonly tableId: string
}

/** REST `Job`, as far as it is read. */
export interface Job {
  readonly jobReference: { readonly jobId: string; readonly location?: string }
  readonly configuration?: { readonly query?: { readonly destinationTable?: TableReference } }
  readonly status: {
    readonly state: string
    readonly errorResult?: { readonly reason?: string; readonly message?: string }
  }
  readonly statistics?: {
    readonly totalBytesProcessed?: string
    readonly query?: {
      readonly schema?: { readonly fields?: readonly Field[] }
      readonly referencedTables?: readonly TableReference[]
    }
  }
}

/** REST `GetQueryResultsResponse`, as far as it is read. */
export interface Page {
  readonly jobComplete: boolean
  readonly schema?: { readonly fields?: readonly Field[] }
  readonly rows?: readonly { readonly f: readonly Cell[] }[]
  readonly pageToken?: string
  readonly totalRows?: string
  readonly totalBytesProcessed?: string
  readonly cacheHit?: boolean
}

export interface RestRequest {
  readonly method?: string
  /** Below the project that is billed, or a whole URL. */
  readonly uri: string
  readonly json?: object
  readonly qs?: object
  /** A file that is sent behind `json`, in one request of two parts. */
  readonly file?: string
  /** Milliseconds after which nothing more is expected. */
  readonly timeout?: number
}

/** Repeated, with longer and longer pauses: some 30 seconds in all. */
const mostRequests = 8
const mostJobs = 4
/** How long BigQuery may hold a request before it says that the job is not complete. */
const pollMilliseconds = 10_000

export class Jobs {
  readonly #settings: JobSettings
  readonly #running = new Set<string>()
  #count = 0
  #closed = false
  #billed = 0

  constructor(settings: JobSettings) {
    this.#settings = settings
  }

  /** Runs a query, a statement or a script, and gives the first page of its rows. */
  async query(
    sql: string,
    parameters: readonly object[],
    pageRows: number,
  ): Promise<{ readonly page: Page; readonly jobId: string }> {
    const { maximumBytesBilled } = this.#settings
    const query = {
      ...{ query: sql, useLegacySql: false, parameterMode: 'NAMED', queryParameters: parameters },
      ...(maximumBytesBilled === undefined ? {} : { maximumBytesBilled: String(maximumBytesBilled) }),
    }
    return this.#repeating(async jobId => {
      await this.#insert(jobId, { query })
      const page = await this.#firstPage(jobId, pageRows)
      this.#billed += billedOf(sql, page)
      return { jobId, page }
    })
  }

  /** The page that another one names as the next, or the one from a row on, counted from zero. */
  page(jobId: string, from: string | number, maxResults: number): Promise<Page> {
    const place = typeof from === 'string' ? { pageToken: from } : { startIndex: from }
    return this.#send<Page>(this.#results(jobId, { ...place, maxResults }))
  }

  /** The table without a name in which BigQuery keeps the rows of a query for a day. */
  async resultOf(jobId: string): Promise<TableReference | undefined> {
    return (await this.#get(jobId)).configuration?.query?.destinationTable
  }

  /** Bytes that queries were billed so far. */
  billed(): number {
    return this.#billed
  }

  /** What a query would read, and the columns it would give; costs nothing. */
  async dryRun(sql: string): Promise<Job> {
    const configuration = { dryRun: true, query: { query: sql, useLegacySql: false } }
    return this.#send<Job>({ method: 'POST', uri: '/jobs', json: { configuration, jobReference: this.#reference() } })
  }

  /** Replaces a table by the rows of a file of JSON lines, all or nothing. */
  async load(file: string, load: object): Promise<void> {
    await this.#repeating(async jobId => {
      await this.#insert(jobId, { load }, file)
      for (let pause = 50; ; pause = Math.min(pause * 2, 2000)) {
        const job = await this.#get(jobId)
        if (job.status.state === 'DONE') return throwFailed(job)
        await delay(pause)
      }
    })
  }

  /** Any other request; what may not have arrived is asked again. */
  send<Answer>(request: RestRequest): Promise<Answer> {
    return this.#send<Answer>(request)
  }

  /** Cancels what runs; everything that is asked for from now on is refused. */
  async close(): Promise<void> {
    this.#closed = true
    const cancel = (jobId: string) =>
      this.#once({ method: 'POST', uri: `/jobs/${jobId}/cancel`, qs: { location: this.#settings.location } })
    // A job that cannot be cancelled ends by itself; its result is nobody's.
    await Promise.all([...this.#running].map(jobId => cancel(jobId).catch(() => undefined)))
  }

  isClosed(): boolean {
    return this.#closed
  }

  #reference(jobId?: string) {
    const { connection, location } = this.#settings
    return { projectId: connection.project, location, ...(jobId === undefined ? {} : { jobId }) }
  }

  async #repeating<T>(work: (jobId: string) => Promise<T>): Promise<T> {
    this.#count += 1
    const step = this.#count
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw closedFailure()
      const jobId = `activate_${this.#settings.token}_${step}_${attempt}`
      this.#running.add(jobId)
      try {
        return await work(jobId)
      } catch (error) {
        if (attempt >= mostJobs || !isJobWorthRepeating(error)) throw error
        await delay(attempt * 200)
      } finally {
        this.#running.delete(jobId)
      }
    }
  }

  async #insert(jobId: string, configuration: object, file?: string): Promise<void> {
    const json = {
      jobReference: this.#reference(jobId),
      configuration: { ...configuration, labels: { tool: 'activate' } },
    }
    const { uploadUrl } = this.#settings.connection
    const request = file === undefined ? { uri: '/jobs', json } : { uri: uploadUrl, json, file }
    try {
      await this.#send({ method: 'POST', ...request })
    } catch (error) {
      // An earlier request, whose answer was lost, has made the job.
      if (refusalOf(error).status !== 409) throw error
    }
  }

  #get(jobId: string): Promise<Job> {
    return this.#send<Job>({ uri: `/jobs/${jobId}`, qs: { location: this.#settings.location } })
  }

  #results(jobId: string, more: object): RestRequest {
    const qs = { location: this.#settings.location, 'formatOptions.useInt64Timestamp': true, ...more }
    return { uri: `/queries/${jobId}`, qs }
  }

  /** An error may be the job's or the question's: the job itself tells. */
  async #firstPage(jobId: string, maxResults: number): Promise<Page> {
    try {
      for (;;) {
        const page = await this.#send<Page>(this.#results(jobId, { maxResults, timeoutMs: pollMilliseconds }))
        if (page.jobComplete) return page
      }
    } catch (error) {
      const job = await this.#get(jobId).catch(() => undefined)
      if (job?.status.state === 'DONE') throwFailed(job)
      throw error
    }
  }

  async #send<Answer>(request: RestRequest): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#once(request)) as Answer
      } catch (error) {
        if (attempt >= mostRequests || !isRequestWorthRepeating(error)) throw error
        await delay(Math.min(100 * 2 ** attempt, 10_000))
      }
    }
  }

  #once(request: RestRequest): Promise<unknown> {
    return sendOnce(this.#settings.connection, request)
  }
}

/** Asks the official client, once. */
export function sendOnce(
  { client }: Pick<Connection, 'client'>,
  { file, json, ...request }: RestRequest,
): Promise<unknown> {
  const body =
    file === undefined
      ? { ...(json === undefined ? {} : { json }) }
      : {
          qs: { uploadType: 'multipart' },
          multipart: [
            { 'Content-Type': 'application/json', body: JSON.stringify(json) },
            { 'Content-Type': 'application/octet-stream', body: createReadStream(file) },
          ],
        }
  return new Promise((resolve, reject) => {
    client.request({ ...request, ...body }, (error: Error | null, answer: unknown) =>
      error === null || error === undefined ? resolve(answer) : reject(error),
    )
  })
}

/** At least: how much of a query's bytes each table had, its answer does not say, so that the least for a table shows only where all are small. */
function billedOf(sql: string, { totalBytesProcessed = '0', cacheHit = false }: Page): number {
  const processed = Number(totalBytesProcessed)
  if (cacheHit || processed === 0) return 0
  return Math.max(processed, tablesRead(sql) * leastBytesOfTable)
}

function throwFailed({ status: { errorResult } }: Job): void {
  if (errorResult !== undefined) throw new JobFailure(errorResult.reason ?? '', errorResult.message ?? 'the job failed')
}
