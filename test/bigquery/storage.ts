/**
 * BigQuery's Storage Read API, as far as the official client is asked for it here: the service of the client's own protocol buffers, on
 * a real gRPC server, over the results of a test's REST server. It keeps its own record of sessions and streams, gives no more than
 * it was asked for, and can be told what goes wrong.
 *
 * One stream has the rows of the result in their order, as BigQuery has been found to send them, and as Google's Python client relies on;
 * several share them out in turns.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ZetaResult } from '../engines/zetasql.ts'
import { type ArrowMessages, arrowMessages } from './arrow.ts'
import { type BigqueryServer, testProject } from './server.ts'

const require = createRequire(import.meta.url)
const ofClient = createRequire(require.resolve('@google-cloud/bigquery-storage'))
const grpc = ofClient('google-gax').grpc as typeof import('@grpc/grpc-js')
const loader = createRequire(ofClient.resolve('google-gax'))(
  '@grpc/proto-loader',
) as typeof import('@grpc/proto-loader')

/** gRPC's codes by name (grpc.io/docs/guides/status-codes). */
export const status = grpc.status

export interface SessionFault {
  readonly on: 'session'
  /** With which code it is refused. */
  readonly code?: number
  readonly message?: string
  /** How many streams it has, whatever was wanted. */
  readonly streams?: number
  /** The two rows behind so many are the wrong way round. */
  readonly swapped?: number
}

export interface RowsFault {
  readonly on: 'rows'
  /** Messages that are sent before. */
  readonly after: number
  /** A code, an end as if there were no more rows, the end of the connection, or nothing more at all. */
  readonly ending: number | 'end' | 'torn' | 'silence'
  readonly message?: string
}

export type StorageFault = SessionFault | RowsFault

export interface StorageServer {
  readonly url: string
  /** Each in its order: of what table, for whom it is billed, and how many streams were wanted. */
  readonly sessions: readonly { readonly parent: string; readonly table: string; readonly wanted: number }[]
  /** Each call for rows: which stream of which session, and from where. */
  readonly reads: readonly { readonly stream: string; readonly offset: number }[]
  /** Rows that were sent over all calls. */
  sent(): number
  /** Calls for rows that have not ended. */
  running(): number
  /** What goes wrong with the next call of its kind, or with so many of them. */
  inject(fault: StorageFault, times?: number): void
  /** Forgets what was to go wrong and has not. */
  calm(): void
  stop(): Promise<void>
}

interface Session {
  readonly messages: ArrowMessages
  /** Of each stream, the places of its rows in the result. */
  readonly streams: readonly (readonly number[])[]
}

interface ReadCall {
  readonly request: { readonly readStream: string; readonly offset: string }
  readonly cancelled: boolean
  write(message: object): boolean
  end(): void
  once(event: 'drain' | 'cancelled' | 'close', listener: () => void): void
  emit(event: 'error', error: object): void
}

interface SessionCall {
  readonly request: {
    readonly parent: string
    readonly maxStreamCount: number
    readonly readSession: { readonly table: string; readonly dataFormat: string }
  }
}

export async function startStorage(
  rest: Pick<BigqueryServer, 'resultOf'>,
  { rowsPerMessage = 100 } = {},
): Promise<StorageServer> {
  const service = new Service(rest, rowsPerMessage)
  const server = new grpc.Server()
  server.addService(definition(), {
    createReadSession: (call: SessionCall, done: (error: object | null, answer?: object) => void) =>
      service.open(call, done),
    readRows: (call: ReadCall) => void service.read(call),
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  // Without grace: whatever runs is cut off, and the server goes on.
  service.tear = () => server.drain(`127.0.0.1:${port}`, 0)
  return {
    url: `http://127.0.0.1:${port}`,
    sessions: service.sessions,
    reads: service.reads,
    sent: () => service.sent,
    running: () => service.running,
    inject: (fault, times = 1) => service.faults.push(...Array.from({ length: times }, () => fault)),
    calm: () => {
      service.faults.length = 0
    },
    stop: async () => server.forceShutdown(),
  }
}

class Service {
  readonly sessions: { parent: string; table: string; wanted: number }[] = []
  readonly reads: { stream: string; offset: number }[] = []
  readonly faults: StorageFault[] = []
  sent = 0
  running = 0
  tear: () => void = () => undefined
  readonly #rest: Pick<BigqueryServer, 'resultOf'>
  readonly #rowsPerMessage: number
  readonly #sessions = new Map<string, Session>()
  /** Encoding is the server's own work, done once for each result. */
  readonly #encoded = new WeakMap<ZetaResult, ArrowMessages>()

  constructor(rest: Pick<BigqueryServer, 'resultOf'>, rowsPerMessage: number) {
    this.#rest = rest
    this.#rowsPerMessage = rowsPerMessage
  }

  #fault<On extends StorageFault['on']>(on: On): Partial<Extract<StorageFault, { on: On }>> {
    const at = this.faults.findIndex(fault => fault.on === on)
    return at < 0 ? {} : (this.faults.splice(at, 1)[0] as Extract<StorageFault, { on: On }>)
  }

  open({ request }: SessionCall, done: (error: object | null, answer?: object) => void): void {
    const answer = this.#session(request)
    if ('code' in answer) done(answer)
    else done(null, answer)
  }

  #session({ parent, maxStreamCount, readSession }: SessionCall['request']): object {
    const { table, dataFormat } = readSession
    this.sessions.push({ parent, table, wanted: maxStreamCount })
    const { code, message = 'injected', streams = Math.min(maxStreamCount || 3, 3), swapped } = this.#fault('session')
    if (code !== undefined) return { code, details: message }
    const [, , , dataset = '', , name = ''] = table.split('/')
    const result = this.#rest.resultOf(dataset, name)
    if (result === undefined) return { code: status.NOT_FOUND, details: `Not found: Table ${table}` }
    if (dataFormat !== 'ARROW') return { code: status.UNIMPLEMENTED, details: `no ${dataFormat} here` }
    const session = `projects/${testProject}/locations/eu/sessions/${this.sessions.length}`
    const messages = this.#messagesOf(result)
    const places = shared(result.rows.length, streams, swapped)
    this.#sessions.set(session, { messages, streams: places })
    return {
      ...{ name: session, table, dataFormat, arrowSchema: { serializedSchema: messages.schema } },
      streams: places.map((_, index) => ({ name: `${session}/streams/${index}` })),
      estimatedRowCount: String(result.rows.length),
    }
  }

  #messagesOf(result: ZetaResult): ArrowMessages {
    const messages = this.#encoded.get(result) ?? arrowMessages(result)
    this.#encoded.set(result, messages)
    return messages
  }

  async read(call: ReadCall): Promise<void> {
    const { readStream, offset } = call.request
    this.reads.push({ stream: readStream, offset: Number(offset) })
    const [, session = '', number = ''] = /^(.*)\/streams\/(\d+)$/.exec(readStream) ?? []
    const { messages, streams } = this.#sessions.get(session) ?? {}
    const places = streams?.[Number(number)]
    this.running += 1
    try {
      if (messages === undefined || places === undefined)
        call.emit('error', { code: status.NOT_FOUND, details: `Not found: ${readStream}` })
      else await this.#send(call, messages, places, this.#fault('rows'))
    } finally {
      this.running -= 1
    }
  }

  async #send(
    call: ReadCall,
    messages: ArrowMessages,
    places: readonly number[],
    { after, ending = 'end', message: details = 'injected' }: Partial<RowsFault>,
  ): Promise<void> {
    const gone = ended(call)
    let count = 0
    for (let from = Number(call.request.offset); from < places.length && count !== after; count += 1) {
      const to = runOf(places, from, this.#rowsPerMessage)
      const serializedRecordBatch = messages.batch(places[from] ?? 0, (places[to - 1] ?? 0) + 1)
      if (call.cancelled) return
      const goesOn = call.write({ rowCount: String(to - from), arrowRecordBatch: { serializedRecordBatch } })
      this.sent += to - from
      from = to
      if (!goesOn) await Promise.race([new Promise<void>(resolve => call.once('drain', resolve)), gone])
      if (call.cancelled) return
    }
    if (count !== after || ending === 'end') call.end()
    else if (ending === 'torn') this.tear()
    else if (ending === 'silence') await gone
    else call.emit('error', { code: ending, details })
  }
}

function ended(call: ReadCall): Promise<void> {
  return new Promise(resolve => {
    call.once('cancelled', resolve)
    call.once('close', resolve)
  })
}

/** Places of rows by stream: in turns, or all in one, of which two may be the wrong way round. */
function shared(rows: number, streams: number, swapped: number | undefined): readonly (readonly number[])[] {
  const places = Array.from({ length: rows }, (_, place) => place)
  if (swapped !== undefined) places.splice(swapped, 2, swapped + 1, swapped)
  return Array.from({ length: Math.max(1, streams) }, (_, stream) =>
    places.filter((_place, index) => index % Math.max(1, streams) === stream),
  )
}

/** Where the rows from here on that stand side by side in the result end. */
function runOf(places: readonly number[], from: number, most: number): number {
  let to = from + 1
  while (to < places.length && to - from < most && places[to] === (places[to - 1] ?? 0) + 1) to += 1
  return to
}

function definition() {
  const protos = (package_: string) => join(dirname(dirname(dirname(package_))), 'build', 'protos')
  const own = protos(require.resolve('@google-cloud/bigquery-storage'))
  const common = protos(ofClient.resolve('google-gax'))
  const loaded = loader.loadSync(join(own, 'google/cloud/bigquery/storage/v1/storage.proto'), {
    ...{ longs: String, enums: String, defaults: true, oneofs: true },
    includeDirs: [own, common],
  })
  return loaded['google.cloud.bigquery.storage.v1.BigQueryRead'] as import('@grpc/grpc-js').ServiceDefinition
}
