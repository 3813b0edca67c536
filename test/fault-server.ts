/**
 * An HTTP server on raw TCP that misbehaves on request, and keeps its own record of what was applied: the truth that tests
 * compare the ledger with. A record is an object with a `change_id`, bare or under `records`.
 */
import { createServer, type Socket } from 'node:net'
import { answer } from './fault-server/answer.ts'
import { type AppliedRecord, type AppliedRules, createAppliedRecord } from './fault-server/applied-record.ts'
import { type Behaviour, reply } from './fault-server/behaviours.ts'
import { type Head, type Received, readRequests } from './fault-server/received.ts'

export * from './fault-server/behaviours.ts'
export type { Head, Received, ReceivedRecord } from './fault-server/received.ts'

export type Script = (request: Received) => Behaviour | Promise<Behaviour>

export interface FaultServer {
  readonly url: string
  readonly port: number
  /** Everything but questions. */
  readonly requests: readonly Received[]
  /** Change ids in the order in which they took effect; one that took effect twice is here twice. */
  readonly applied: readonly string[]
  /** Keys under which another body arrived than the first time. */
  readonly mismatches: readonly string[]
  /** Requests for `lookup.path`: who asks what has arrived. */
  readonly questions: readonly Received[]
  /** How many connections were opened. */
  readonly connections: number
  /** The most requests that were under way at once. */
  readonly busiest: number
  close(): Promise<void>
}

export interface FaultServerOptions extends AppliedRules {
  /**
   * `GET <path>?ids=a,b` answers `{"found": ["a"]}` from the record of what was applied, once `lag` milliseconds have passed.
   * A script of its own may answer badly instead.
   */
  readonly lookup?: { readonly path: string; readonly script?: (request: Received) => Behaviour | undefined }
  /** Answers when the head has arrived, before the body was read; nothing is applied then. */
  readonly early?: (head: Head) => Behaviour | undefined
  readonly port?: number
}

export async function startFaultServer(script: Script, options: FaultServerOptions = {}): Promise<FaultServer> {
  const sockets = new Set<Socket>()
  const requests: Received[] = []
  const questions: Received[] = []
  const record = createAppliedRecord(options)
  let connections = 0
  let underWay = 0
  let busiest = 0

  async function serve(socket: Socket, parsed: Omit<Received, 'index'>): Promise<void> {
    if (options.lookup !== undefined && parsed.path.startsWith(`${options.lookup.path}?`)) {
      const question = { index: questions.length, ...parsed }
      questions.push(question)
      const behaviour = options.lookup.script?.(question) ?? answerFrom(record, question)
      if (!socket.destroyed) await answer(socket, behaviour)
      return
    }
    const request = { index: requests.length, ...parsed }
    requests.push(request)
    underWay += 1
    busiest = Math.max(busiest, underWay)
    const behaviour = await script(request)
    underWay -= 1
    record.apply(request, behaviour.apply)
    if (!socket.destroyed) await answer(socket, behaviour)
  }

  const server = createServer(socket => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A client that gives up resets; that is what these tests provoke.
    socket.on('error', () => socket.destroy())
    readRequests(socket, {
      onHead: async head => {
        const behaviour = options.early?.(head)
        if (behaviour === undefined) return 'read on'
        await answer(socket, behaviour)
        return 'answered'
      },
      onRequest: parsed => serve(socket, parsed),
    })
  })
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    questions,
    applied: record.ids,
    mismatches: record.mismatches,
    get connections() {
      return connections
    },
    get busiest() {
      return busiest
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function answerFrom(record: AppliedRecord, { path }: Received): Behaviour {
  const ids = (new URLSearchParams(path.slice(path.indexOf('?'))).get('ids') ?? '').split(',')
  return { ...reply(200, { found: ids.filter(id => record.shows(id)) }), apply: false }
}
