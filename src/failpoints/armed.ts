/**
 * Failpoints as a process is told them: `ACTIVATE_FAILPOINT="outbox=kill"`, `"send.before:2=stop"`, several of them with commas.
 * The number counts how often the place is reached, from 1. `kill` is SIGKILL: no handler runs and nothing is flushed. `stop` is SIGSTOP:
 * the process stands still, with all its locks and connections, until somebody sends SIGCONT. For tests alone.
 */
import { type FailpointName, type Failpoints, failpointNames, noFailpoints } from './failpoints.ts'

const signals = { kill: 'SIGKILL', stop: 'SIGSTOP' } as const

export type FailpointAction = keyof typeof signals

interface Trap {
  readonly name: FailpointName
  readonly hit: number
  readonly action: FailpointAction
}

/** Throws a TypeError for a text that it cannot understand: a trap that is never sprung would make a test pass. */
export function failpointsFrom(
  text: string | undefined,
  send: (signal: NodeJS.Signals) => void = signal => process.kill(process.pid, signal),
): Failpoints {
  if (text === undefined || text === '') return noFailpoints
  const traps = text.split(',').map(readTrap)
  const hits = new Map<FailpointName, number>()
  return {
    async reach(name) {
      const hit = (hits.get(name) ?? 0) + 1
      hits.set(name, hit)
      const trap = traps.find(candidate => candidate.name === name && candidate.hit === hit)
      if (trap !== undefined) send(signals[trap.action])
    },
  }
}

function readTrap(text: string): Trap {
  const [, name, hit = '1', action] = /^([\w.]+)(?::([1-9]\d*))?=(\w+)$/.exec(text.trim()) ?? []
  const known = failpointNames.find(candidate => candidate === name)
  if (known === undefined || (action !== 'kill' && action !== 'stop')) {
    throw new TypeError(`ACTIVATE_FAILPOINT is NAME[:HIT]=kill or =stop, with a name of src/failpoints; not ${text}`)
  }
  return { name: known, hit: Number(hit), action }
}
