/**
 * What BigQuery knows of tables without a job: requests for metadata cost nothing, count as no query, and are answered in a tenth of
 * the time (REST `tables.get` and the dry run of `jobs.insert`, cloud.google.com/bigquery/docs/reference/rest, read 2026-08).
 */
import type { Connection } from './bigquery-connect.ts'
import { refusalOf } from './bigquery-error.ts'
import type { Jobs } from './bigquery-jobs.ts'
import type { Field } from './bigquery-value.ts'
import type { Metadata } from './warehouse.ts'

/** REST `Table`, as far as it is read. */
interface TableResource {
  readonly type: string
  readonly schema?: { readonly fields?: readonly Field[] }
  readonly creationTime?: string
  readonly lastModifiedTime?: string
  readonly numRows?: string
  readonly numBytes?: string
  readonly streamingBuffer?: object
  readonly expirationTime?: string
  readonly timePartitioning?: { readonly expirationMs?: string }
  readonly maxStaleness?: string
}

/** "Queries that reference more than 50 tables will not have a complete list" (REST `JobStatistics2`). */
const mostNamed = 50

export class TableMetadata implements Metadata {
  readonly #jobs: Jobs
  readonly #connection: Pick<Connection, 'project' | 'apiUrl'>
  /** Turns what BigQuery says into this tool's errors. */
  readonly #guarded: <T>(work: () => Promise<T>) => Promise<T>

  constructor(
    jobs: Jobs,
    connection: Pick<Connection, 'project' | 'apiUrl'>,
    guarded: <T>(work: () => Promise<T>) => Promise<T>,
  ) {
    this.#jobs = jobs
    this.#connection = connection
    this.#guarded = guarded
  }

  /**
   * Fields of the table that a select reads as a whole; undefined for every other select. A view's are as they were when it was made, and
   * those of what is not there are nobody's: both are for a dry run to say.
   */
  async fieldsOf(select: string): Promise<readonly Field[] | undefined> {
    const [, path] = /^(?:select \* from )?`([^`\\]+)`$/.exec(select) ?? []
    const table = path === undefined ? undefined : await this.#guarded(() => this.#find(this.#full(path.split('.'))))
    return table?.type === 'TABLE' ? table.schema?.fields : undefined
  }

  async tablesOf(select: string): Promise<readonly string[] | undefined> {
    const { statistics } = await this.#guarded(() => this.#jobs.dryRun(select))
    const tables = statistics?.query?.referencedTables ?? []
    if (tables.length >= mostNamed) return undefined
    return tables.map(({ projectId, datasetId, tableId }) => `${projectId}.${datasetId}.${tableId}`)
  }

  nameOf(relation: readonly string[]): string {
    return this.#full(relation).join('.')
  }

  async marksOf(tables: readonly string[]): Promise<Readonly<Record<string, string>> | undefined> {
    const marks: Record<string, string> = {}
    for (const name of tables) {
      const table = await this.#guarded(() => this.#find(name.split('.')))
      const mark = table === undefined ? undefined : markOf(table)
      if (mark === undefined) return undefined
      marks[name] = mark
    }
    return marks
  }

  #full(parts: readonly string[]): readonly string[] {
    return parts.length < 3 ? [this.#connection.project, ...parts] : parts
  }

  /** By the parts of its whole name; undefined when it is not there. */
  async #find(parts: readonly string[]): Promise<TableResource | undefined> {
    const [project = '', dataset = '', table = ''] = parts.map(encodeURIComponent)
    const uri = `${this.#connection.apiUrl}/projects/${project}/datasets/${dataset}/tables/${table}`
    try {
      return await this.#jobs.send<TableResource>({ uri })
    } catch (error) {
      if (refusalOf(error).status === 404) return undefined
      throw error
    }
  }
}

/**
 * A view's own time says nothing of what it reads, rows in a streaming buffer are not in `lastModifiedTime` yet, rows that a policy of the
 * table lets end change no time at all, and a table with staleness is read as it will be.
 */
function markOf(table: TableResource): string | undefined {
  const { type, creationTime, lastModifiedTime, numRows, numBytes, timePartitioning } = table
  const ends = table.expirationTime !== undefined || timePartitioning?.expirationMs !== undefined
  const moves = ends || table.streamingBuffer !== undefined || table.maxStaleness !== undefined
  if (type !== 'TABLE' || moves || lastModifiedTime === undefined) return undefined
  return [creationTime ?? '', lastModifiedTime, numRows ?? '', numBytes ?? ''].join('/')
}
