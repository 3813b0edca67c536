/**
 * Large results over the Storage Read API: rows as Arrow over gRPC, instead of JSON page by page. Its client, `@google-cloud/bigquery-storage`,
 * is an optional package, loaded when a result is large. What is read is the table in which BigQuery keeps the result of a query, by one
 * stream: cloud.google.com/bigquery/docs/reference/storage/rpc, read 2026-08.
 *
 * The client's own reader of tables opens a stream anew without whoever reads it noticing that the old one is gone, so calls are made one
 * by one here, and a stream that breaks is opened again at the first row that is missing.
 */
import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { type Arrow, ArrowRows } from './bigquery-arrow.ts'
import type { Connection } from './bigquery-connect.ts'
import { closedFailure, StorageRefusal } from './bigquery-error.ts'
import type { TableReference } from './bigquery-jobs.ts'
import type { Field } from './bigquery-value.ts'
import type { Row } from './warehouse.ts'

export const storagePackage = '@google-cloud/bigquery-storage'

export interface StorageLimits {
  /** A result of fewer rows is read in pages: of 10,000 rows each, some twenty requests. */
  readonly largeResult: number
  /** Milliseconds for which a stream may say nothing while it is waited for. */
  readonly patience: number
}

export const storageLimits: StorageLimits = { largeResult: 200_000, patience: 120_000 }

export interface Result {
  readonly table: TableReference
  readonly fields: readonly Field[]
  readonly total: number
  readonly chunkRows: number
}

/** The part of `BigQueryReadClient` that is used. */
interface ReadClient {
  createReadSession(request: object, options: object): Promise<readonly Session[]>
  /** The calls beneath those of the client. */
  initialize(): Promise<{ readRows(request: object, metadata: unknown): RowStream }>
  close(): Promise<void>
}

interface Session {
  readonly streams?: readonly { readonly name: string }[]
  readonly arrowSchema?: { readonly serializedSchema: Uint8Array }
}

interface RowStream extends AsyncIterable<Message> {
  on(event: 'error', listener: () => void): this
  cancel(): void
}

interface Message {
  readonly rowCount?: string
  readonly arrowRecordBatch?: { readonly serializedRecordBatch: Uint8Array } | null
}

/** The part of `@grpc/grpc-js` that is used, which comes with the client. */
interface Grpc {
  readonly credentials: { createInsecure(): unknown }
  readonly Metadata: new () => { set(name: string, value: string): void }
}

interface Loaded {
  readonly client: ReadClient
  readonly grpc: Grpc
  readonly arrow: Arrow
}

/** gRPC's codes that pass: CANCELLED (by a proxy, or the end of a connection), UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE. */
const passing: readonly unknown[] = [1, 2, 4, 8, 10, 13, 14]
/** Without a row in between; with longer and longer pauses, some 30 seconds in all. */
const mostAttempts = 8

export class StorageReads {
  readonly #connection: Connection
  readonly #running = new Set<RowStream>()
  readonly #patience: number
  #loaded: Promise<Loaded> | undefined
  #closed = false

  constructor(connection: Connection, { patience }: Pick<StorageLimits, 'patience'>) {
    this.#connection = connection
    this.#patience = patience
  }

  /**
   * The rows of a result, in the order in which they come: whoever needs them in that of the query looks whether they are. Throws
   * StorageRefusal, or what the client throws; never ends before `total` rows were given.
   */
  async *rows(result: Result): AsyncGenerator<readonly Row[]> {
    const loaded = await this.#load()
    const { name, schema } = await this.#open(loaded.client, result.table)
    let received = 0
    for (let attempt = 1; ; attempt += 1) {
      const call = await this.#call(loaded, name, received)
      this.#running.add(call)
      try {
        for await (const message of this.#messages(call)) {
          const bytes = message.arrowRecordBatch?.serializedRecordBatch
          if (bytes === undefined) continue
          const batch = new ArrowRows(loaded.arrow, Buffer.concat([schema, bytes]), result.fields)
          for (let from = 0; from < batch.count; from += result.chunkRows) {
            // Rows may have come before the warehouse was closed; they end as all others do.
            if (this.#closed) throw closedFailure()
            yield batch.slice(from, from + result.chunkRows)
          }
          received += batch.count
          attempt = 0
        }
        if (received >= result.total) return
        throw new StorageRefusal(14, `the stream ended after ${received} of ${result.total} rows`)
      } catch (error) {
        await this.#pause(error, attempt)
      } finally {
        call.cancel()
        this.#running.delete(call)
      }
    }
  }

  /** Cancels what runs. */
  async close(): Promise<void> {
    this.#closed = true
    for (const call of this.#running) call.cancel()
    await (await this.#loaded?.catch(() => undefined))?.client.close()
  }

  /**
   * The client's own call repeats itself for reasons and at an offset of its own, and holds some hundred messages of a megabyte and more
   * between its layers. The one beneath holds sixteen.
   */
  async #call({ client, grpc }: Loaded, readStream: string, offset: number): Promise<RowStream> {
    const metadata = new grpc.Metadata()
    metadata.set('x-goog-request-params', `read_stream=${encodeURIComponent(readStream)}`)
    const call = (await client.initialize()).readRows({ readStream, offset }, metadata)
    // Whoever reads is told by the loop; that a call was cancelled which nobody reads any more is nobody's error.
    return call.on('error', () => undefined)
  }

  /** A stream that says nothing for too long is given up, and with it this loop, by an error that passes. */
  async *#messages(call: RowStream): AsyncGenerator<Message> {
    const messages = call[Symbol.asyncIterator]()
    try {
      for (;;) {
        const timer = setTimeout(() => call.cancel(), this.#patience)
        const { done, value } = await messages.next().finally(() => clearTimeout(timer))
        if (done === true) return
        yield value
      }
    } finally {
      await messages.return?.()
    }
  }

  async #open(
    client: ReadClient,
    { projectId, datasetId, tableId }: TableReference,
  ): Promise<{ readonly name: string; readonly schema: Uint8Array }> {
    const request = {
      parent: `projects/${this.#connection.project}`,
      readSession: { table: `projects/${projectId}/datasets/${datasetId}/tables/${tableId}`, dataFormat: 'ARROW' },
      // Several would share the rows out among them, in no order.
      maxStreamCount: 1,
    }
    const session = await this.#repeating(() => client.createReadSession(request, { retry: null }))
    const [stream, ...more] = session[0]?.streams ?? []
    const schema = session[0]?.arrowSchema?.serializedSchema
    if (stream === undefined || schema === undefined || more.length > 0)
      throw new StorageRefusal(
        undefined,
        `there are ${more.length + (stream === undefined ? 0 : 1)} streams instead of one`,
      )
    return { name: stream.name, schema }
  }

  async #repeating<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work()
      } catch (error) {
        await this.#pause(error, attempt)
      }
    }
  }

  /** Throws the error when it is not one that passes. */
  async #pause(error: unknown, attempt: number): Promise<void> {
    if (this.#closed) throw closedFailure()
    const { code } = (error ?? {}) as { readonly code?: unknown }
    if (attempt >= mostAttempts || !passing.includes(code)) throw error
    await delay(Math.min(100 * 2 ** attempt, 10_000))
    if (this.#closed) throw closedFailure()
  }

  #load(): Promise<Loaded> {
    if (this.#closed) throw closedFailure()
    this.#loaded ??= load(this.#connection)
    return this.#loaded
  }
}

async function load({ project, storage, authClient }: Connection): Promise<Loaded> {
  if (storage === undefined)
    throw new StorageRefusal(undefined, 'warehouse.endpoint is set, and warehouse.storage_endpoint is not')
  const { BigQueryReadClient } = await importPackage()
  const ofPackage = createRequire(createRequire(import.meta.url).resolve(storagePackage))
  const arrow = ofPackage('apache-arrow') as Arrow
  const { grpc } = ofPackage('google-gax') as { readonly grpc: Grpc }
  const url = new URL(storage)
  const options = {
    ...{ projectId: project, authClient, apiEndpoint: url.hostname, port: Number(url.port) || 443 },
    // A server on this machine, without credentials: those of a person never leave unencrypted.
    ...(url.protocol === 'http:' ? { sslCreds: grpc.credentials.createInsecure() } : {}),
    ...{ 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 },
  }
  return { arrow, grpc, client: new BigQueryReadClient(options) }
}

async function importPackage(): Promise<{ readonly BigQueryReadClient: new (options: object) => ReadClient }> {
  try {
    return (await import('@google-cloud/bigquery-storage')) as never
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: string }
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' && message?.includes(storagePackage) === true
    if (!isMissing) throw error
    throw new StorageRefusal(undefined, `${storagePackage} is not installed`, `npm install ${storagePackage}`)
  }
}
