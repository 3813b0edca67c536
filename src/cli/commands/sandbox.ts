import { once } from 'node:events'
import { resolve } from 'node:path'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { describeFaults, noFaults, parseFaults } from '../../sandbox/faults.ts'
import { type SandboxOptions, startSandbox } from '../../sandbox/sandbox.ts'
import { onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, terminal } = invocation
  const options = optionsOf(invocation)
  const interruption = onInterruption(terminal, '\nstopping the sandbox')
  try {
    const sandbox = await startSandbox(options)
    await terminal.write(
      flags.json ? toJson({ schema: 'activate.sandbox/1', url: sandbox.url, port: sandbox.port }) : `${sandbox.url}\n`,
    )
    const memory = options.statePath === undefined ? 'forgotten at the end' : `kept in ${options.statePath}`
    terminal.say(
      `sandbox CRM and messenger at ${sandbox.url} (faults: ${describeFaults(options.faults)}; memory ${memory}). Ctrl-C stops it.`,
    )
    if (!interruption.signal.aborted) await once(interruption.signal, 'abort')
    await sandbox.close()
    return 'ok'
  } finally {
    interruption.release()
  }
}

function optionsOf({ input, io }: Invocation): SandboxOptions {
  const port = input.count('port')
  if (port !== undefined && port > 65_535) {
    throw new ActivateError('invalid', { code: 'A8003', message: `--port needs a number up to 65535, not "${port}"` })
  }
  const faults = input.text('fail')
  const state = input.text('state')
  return {
    seed: input.count('seed') ?? 1,
    faults: faults === undefined ? noFaults : parseFaults(faults),
    ...(port === undefined ? {} : { port }),
    ...(state === undefined ? {} : { statePath: resolve(io.cwd, state) }),
  }
}
