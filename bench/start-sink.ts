import { fork } from 'node:child_process'
import { join } from 'node:path'

/** A server in a process of its own (sink.ts). */
export interface Sink {
  readonly url: string
  counts(): Promise<{ readonly received: number; readonly refused: number; readonly span: number }>
  stop(): void
}

export async function startSink(args: readonly string[] = []): Promise<Sink> {
  const child = fork(join(import.meta.dirname, 'sink.ts'), args, { execArgv: ['--import', 'tsx'] })
  const heard = () => new Promise<unknown>(resolve => child.once('message', resolve))
  const port = Number(await heard())
  return {
    url: `http://127.0.0.1:${port}`,
    async counts() {
      const answer = heard()
      child.send('counts')
      return (await answer) as Awaited<ReturnType<Sink['counts']>>
    },
    stop: () => child.kill(),
  }
}
