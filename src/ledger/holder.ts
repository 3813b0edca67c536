/**
 * Who holds a lease, and whether that process is still there. A killed run is picked up at once on the same host, but
 * only when its process is provably gone; in doubt the lease runs out.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { codeOf } from './failure.ts'
import type { Holder } from './ledger.ts'

/** What a token tells about its process on Linux; elsewhere it is only unique. */
interface Origin {
  readonly boot: string
  /** Process ids mean something within one pid namespace, that is within one container. */
  readonly namespace: string
  /** Ticks from boot to the start of the process, which tell a reused pid from its predecessor. */
  readonly started: string
}

let current: Holder | undefined

/** This process; the same answer every time. */
export function currentHolder(): Holder {
  current ??= { host: hostname(), pid: process.pid, token: newToken() }
  return current
}

/** Whether the holder's process has certainly ended, as seen from `self`. Another host's processes are never known to have. */
export function isGone(holder: Holder, self: Holder): boolean {
  if (holder.host !== self.host || holder.token === self.token) return false
  const [theirs, ours] = [originOf(holder.token), originOf(self.token)]
  // Two containers may share a host name, and a reboot looks like another machine of the same name.
  if (theirs && ours && (theirs.boot !== ours.boot || theirs.namespace !== ours.namespace)) return false
  if (holder.pid === self.pid) return true
  if (!isAlive(holder.pid)) return true
  const found = processOf(holder.pid)
  if (found === undefined) return false
  return found.isZombie || (theirs !== undefined && found.started !== theirs.started)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return codeOf(error) !== 'ESRCH'
  }
}

function newToken(): string {
  const own = processOf(process.pid)
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim()
  const namespace = readNamespace()
  if (own === undefined || boot === undefined || namespace === undefined) return randomUUID()
  return ['linux', boot, namespace, own.started, randomUUID()].join('/')
}

function originOf(token: string): Origin | undefined {
  const [system, boot, namespace, started] = token.split('/')
  if (system !== 'linux' || boot === undefined || namespace === undefined || started === undefined) return undefined
  return { boot, namespace, started }
}

/**
 * Fields 3 (state) and 22 (start time) of /proc/<pid>/stat (proc_pid_stat(5), read 2026-11). The command in field 2 may
 * hold spaces and parentheses, so we count from its last one.
 */
function processOf(pid: number): { readonly started: string; readonly isZombie: boolean } | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const started = fields[19]
  return started === undefined ? undefined : { started, isZombie: fields[0] === 'Z' || fields[0] === 'X' }
}

/** Undefined where the system has no such file, or does not show it. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Such as `pid:[4026531836]`. */
function readNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return undefined
  }
}
