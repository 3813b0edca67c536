/** A port on which callbacks are received until it is closed. */
import { createAdaptorServer } from '@hono/node-server'
import { ActivateError } from '../project/problem.ts'
import { callbackApp, type ReceiveContext } from './receive.ts'

export interface Listening {
  /** Without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Answers what is under way, and takes nothing more. */
  close(): Promise<void>
}

/** Throws A5033 when it cannot listen. `port` 0 takes a free one. */
export async function listenForCallbacks(
  context: ReceiveContext,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const server = createAdaptorServer({ fetch: callbackApp(context).fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const message = `cannot listen at ${host}:${port}: ${error.message}`
      reject(new ActivateError('failed', { code: 'A5033', message }, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const listening = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${listening}`,
    port: listening,
    close: () =>
      new Promise((resolve, reject) => {
        server.close(error => (error === undefined ? resolve() : reject(error)))
        if ('closeIdleConnections' in server) server.closeIdleConnections()
      }),
  }
}
