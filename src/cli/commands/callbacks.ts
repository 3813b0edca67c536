import { once } from 'node:events'
import { listenForCallbacks } from '../../callbacks/listen.ts'
import { identifiersFor } from '../../delivery/opted-out.ts'
import type { OpenCallback } from '../../delivery/registry.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import { onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'

const defaultPort = 8485

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const port = input.count('port') ?? defaultPort
  if (port > 65_535)
    throw new ActivateError('invalid', { code: 'A8003', message: `--port needs a number up to 65535, not "${port}"` })
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const known = wired.callbacks()
    refuseUnbelievable(known)
    const callbacks = known.filter(({ lacks }) => lacks === undefined)
    for (const { destination, lacks } of known)
      if (lacks !== undefined)
        terminal.complain(printable(`${destination}: nothing is received, it lacks \`${lacks}\``))
    refuseUnkept(project, callbacks)
    const interruption = onInterruption(terminal, '\nstopping: calls under way are answered')
    try {
      const ledger = await wired.ledger()
      const log = (destination: string, message: string) => terminal.say(printable(`${destination}: ${message}`))
      const context = { project, callbacks, ledger, now: wired.clock.now, log }
      const listening = await listenForCallbacks(context, { host: input.text('host') ?? '127.0.0.1', port })
      const paths = callbacks.map(({ destination }) => `${listening.url}/callbacks/${encodeURIComponent(destination)}`)
      await terminal.write(
        flags.json
          ? toJson({ schema: 'activate.callbacks/1', url: listening.url, port: listening.port, paths })
          : `${paths.join('\n')}\n`,
      )
      terminal.say('callbacks are received here and written to the ledger. Ctrl-C stops it.')
      if (!interruption.signal.aborted) await once(interruption.signal, 'abort')
      await listening.close()
      return 'ok' as const
    } finally {
      interruption.release()
    }
  })
}

/** Throws A5031 and A5032: what could not be believed is not listened for. */
function refuseUnbelievable(callbacks: readonly OpenCallback[]): void {
  if (callbacks.length === 0)
    throw new ActivateError('invalid', { code: 'A5031', message: 'no destination of the project reports by callbacks' })
  const [first] = callbacks
  if (first?.lacks !== undefined && callbacks.every(({ lacks }) => lacks !== undefined)) {
    const { destination, lacks } = first
    throw new ActivateError('invalid', {
      code: 'A5032',
      message: `destination "${destination}" needs \`${lacks}\` for its callbacks to be verified`,
      help: `add \`${lacks}\` to it under destinations in activate.yml`,
    })
  }
}

/** Throws A5030: nor is what could not be kept. */
function refuseUnkept(project: Project, callbacks: readonly OpenCallback[]): void {
  for (const { destination, optOuts } of callbacks) {
    if (identifiersFor(project, optOuts).length > 0) continue
    const [addresses, how] = optOuts === 'phone' ? ['phone numbers', 'e164'] : ['e-mail addresses', 'email']
    throw new ActivateError('invalid', {
      code: 'A5030',
      message: `the project has no identifier for ${addresses}, so an opt-out that "${destination}" reports could not be kept`,
      help: `declare one under identity in activate.yml, normalised as ${how}`,
    })
  }
}
