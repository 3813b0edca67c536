/** Ctrl-C and SIGTERM: the first asks the command to finish what is on its way, the second ends the process at once. */
import { exitCodes } from '../project/problem.ts'
import type { Terminal } from './terminal.ts'

export interface Interruption {
  readonly signal: AbortSignal
  /** Gives the signals back to the process. */
  release(): void
}

const signals = ['SIGINT', 'SIGTERM'] as const

export function onInterruption(terminal: Terminal, announcement: string): Interruption {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    terminal.complain(announcement)
    controller.abort()
  }
  for (const signal of signals) process.on(signal, interrupt)
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of signals) process.off(signal, interrupt)
    },
  }
}

export const draining = '\nstopping: what is on its way is finished, then the run ends; once more stops at once'
