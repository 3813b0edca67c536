/** A delivery from end to end: the real engine, client and ledger; only the far end and the clock are ours. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import type { Clock } from '../../src/delivery/clock.ts'
import {
  type DeliveryInput,
  type DeliveryNote,
  type DeliveryProgress,
  type DeliveryTotals,
  deliver,
} from '../../src/delivery/deliver.ts'
import {
  type Action,
  type ActionLimits,
  defineDestination,
  type RateLimit,
  type Refresh,
} from '../../src/delivery/destination.ts'
import { interpretLookupStatus } from '../../src/delivery/interpret.ts'
import { type OpenDestination, openHttpDestination } from '../../src/delivery/open-destination.ts'
import type { ReadLimits } from '../../src/delivery/rate-headers.ts'
import { redeliver } from '../../src/delivery/recover.ts'
import type { Lease, Ledger, RecordedException, Request } from '../../src/ledger/ledger.ts'
import { outcomeCounts, settlementOf } from '../../src/ledger/settlement.ts'
import { openLedger } from '../../src/ledger/store.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import {
  type FaultServer,
  type FaultServerOptions,
  type Received,
  reply,
  type Script,
  startFaultServer,
} from '../fault-server.ts'

/** Waiting costs nothing and moves the time on. */
export interface FakeClock extends Clock {
  readonly slept: readonly number[]
  advance(milliseconds: number): void
}

export function fakeClock(start = Date.UTC(2026, 2, 1)): FakeClock {
  let now = start
  const slept: number[] = []
  return {
    slept,
    now: () => now,
    advance(milliseconds) {
      now += milliseconds
    },
    async sleep(milliseconds, signal) {
      if (signal?.aborted === true) return
      slept.push(milliseconds)
      now += Math.max(0, milliseconds)
      await turn()
    },
  }
}

export interface Far
  extends Partial<Pick<Action<unknown>, 'fields' | 'interpret' | 'batch' | 'request' | 'lookup' | 'job'>> {
  /** Of the action `remove`, under those of the account. */
  readonly removeLimits?: ActionLimits
  readonly idempotency?: Action<unknown>['idempotency']
  readonly limits?: readonly RateLimit[]
  readonly concurrency?: number
  readonly timeout?: number
  readonly readLimits?: ReadLimits
  readonly refresh?: Refresh
}

/** Answers per record as `{"results": [{"id", "status"}]}`, which `eachRecord` sends. */
export const interpretResults: NonNullable<Action<unknown>['interpret']> = received => {
  const json = z.object({
    results: z.array(z.object({ id: z.string(), status: z.enum(['acked', 'rejected', 'retry', 'uncertain']) })),
  })
  const { results } = json.parse(received.json)
  return {
    kind: 'each',
    outcomes: results.map(({ id, status }) => ({ changeId: id, outcome: status, code: status, message: '' })),
  }
}

export function eachRecord(request: Received, statusOf: (changeId: string) => string) {
  return reply(200, {
    results: request.records.map(({ change_id }) => ({ id: change_id, status: statusOf(change_id) })),
  })
}

/** Where the fault server answers what has arrived. */
export const lookupPath = '/found'

/** Asks the fault server, whose answers are complete. */
export const askFar: NonNullable<Action<unknown>['lookup']> = {
  request: batch => ({ method: 'GET', path: `${lookupPath}?ids=${batch.map(({ changeId }) => changeId).join(',')}` }),
  interpret: (received, batch) => {
    if (received.status !== 200) return interpretLookupStatus(received)
    const { found } = z.object({ found: z.array(z.string()) }).parse(received.json)
    return {
      kind: 'each',
      findings: batch.map(({ changeId }) => ({ changeId, finding: found.includes(changeId) ? 'found' : 'absent' })),
    }
  },
}

export function openFar(url: string, far: Far): OpenDestination {
  const action: Action<unknown> = {
    summary: 'takes records',
    modes: ['upsert'],
    idempotency: far.idempotency ?? { kind: 'natural' },
    ...(far.batch && { batch: far.batch }),
    ...(far.fields && { fields: far.fields }),
    ...(far.interpret && { interpret: far.interpret }),
    ...(far.job && { job: far.job }),
    ...(far.idempotency?.kind === 'lookup' && { lookup: far.lookup ?? askFar }),
    request:
      far.request ??
      ((batch, { idempotencyKey }) => ({
        method: 'POST',
        path: '/records',
        headers: { 'idempotency-key': idempotencyKey },
        json: { records: batch.map(({ key, changeId, op, fields }) => ({ key, change_id: changeId, op, fields })) },
      })),
  }
  const definition = defineDestination({
    name: 'far',
    summary: 'a destination under test',
    settings: z.object({}),
    baseUrl: () => url,
    headers: () => ({ authorization: 'Bearer t' }),
    allowPrivateNetwork: () => true,
    limits: () => far.limits ?? [],
    concurrency: () => far.concurrency ?? 2,
    timeout: () => far.timeout ?? 5_000,
    actions: () => ({
      upsert: action,
      remove: far.removeLimits === undefined ? action : { ...action, limits: far.removeLimits },
    }),
    ...(far.readLimits && { readLimits: far.readLimits }),
    refresh: () => far.refresh,
  })
  return openHttpDestination(definition, {}, { name: 'far' })
}

export function rowsOf(
  count: number,
  fields: (seq: number) => PlannedChange['fields'] = seq => ({ n: seq }),
): readonly PlannedChange[] {
  return Array.from({ length: count }, (_, i) => {
    const seq = i + 1
    return { seq, key: `k${seq}`, op: 'enter', changeId: `c${seq}`, fields: fields(seq) }
  })
}

export interface Delivered {
  readonly totals: DeliveryTotals
  readonly requests: readonly Request[]
  readonly exceptions: readonly RecordedException[]
  readonly notes: readonly DeliveryNote[]
  readonly progress: readonly DeliveryProgress[]
}

export class Stage {
  readonly clock = fakeClock()
  readonly ledger: Ledger
  readonly server: FaultServer
  private lease: Lease
  private readonly folder: string
  private readonly opened: OpenDestination[] = []

  private constructor(ledger: Ledger, server: FaultServer, lease: Lease, folder: string) {
    this.ledger = ledger
    this.server = server
    this.lease = lease
    this.folder = folder
  }

  static async open(script: Script, options: FaultServerOptions = {}): Promise<Stage> {
    const folder = await mkdtemp(join(quickFolder(), 'activate-delivery-'))
    const ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
    const server = await startFaultServer(script, options)
    const stage = new Stage(ledger, server, await takeLease(ledger, 'one', 0), folder)
    await stage.startRun('run')
    return stage
  }

  async startRun(runId: string): Promise<void> {
    await this.ledger.startRun({ runId, sync: 's', asOf: this.clock.now(), startedAt: this.clock.now() }, this.lease)
  }

  /** What a successor does after the process that had the lease has died. */
  async takeOver(): Promise<void> {
    this.lease = await takeLease(this.ledger, 'two', this.clock.now())
  }

  destination(far: Far, url = this.server.url): OpenDestination {
    const destination = openFar(url, far)
    this.opened.push(destination)
    return destination
  }

  context(
    far: Far,
    options: Partial<DeliveryInput> = {},
  ): {
    readonly input: Omit<DeliveryInput, 'rows' | 'total' | 'routes'>
    readonly notes: DeliveryNote[]
    readonly progress: DeliveryProgress[]
  } {
    const notes: DeliveryNote[] = []
    const progress: DeliveryProgress[] = []
    const input = {
      runId: 'run',
      destination: options.destination ?? this.destination(far),
      ledger: this.ledger,
      lease: () => ({ ...this.lease, expiresAt: this.clock.now() + 60_000 }),
      clock: this.clock,
      random: () => 0.5,
      signal: new AbortController().signal,
      onProgress: (at: DeliveryProgress) => progress.push(at),
      onUncertain: 'park' as const,
      log: (note: DeliveryNote) => notes.push(note),
      ...options,
    }
    return { input, notes, progress }
  }

  async deliver(
    rows: readonly PlannedChange[],
    far: Far = {},
    options: Partial<DeliveryInput> = {},
  ): Promise<Delivered> {
    const { input, notes, progress } = this.context(far, options)
    const totals = await deliver({
      rows: chunksOf(rows),
      total: rows.length,
      routes: () => ({ action: 'upsert' }),
      ...input,
    })
    return this.delivered(input.runId, totals, options.total ?? rows.length, notes, progress)
  }

  async redeliver(
    rows: readonly PlannedChange[],
    far: Far = {},
    options: Partial<DeliveryInput> = {},
  ): Promise<Delivered> {
    const { input, notes, progress } = this.context(far, options)
    const requests = await this.ledger.requests(input.runId)
    const totals = await redeliver({
      ...input,
      requests,
      read: async members =>
        rows.filter(({ seq }) =>
          'seqs' in members ? members.seqs.includes(seq) : seq >= members.from && seq <= members.to,
        ),
    })
    return {
      totals,
      requests: await this.ledger.requests(input.runId),
      exceptions: await this.ledger.exceptions(input.runId),
      notes,
      progress,
    }
  }

  /** The totals must be what the ledger would settle: two accounts of the same night. */
  private async delivered(
    runId: string,
    totals: DeliveryTotals,
    sends: number,
    notes: readonly DeliveryNote[],
    progress: readonly DeliveryProgress[],
  ): Promise<Delivered> {
    const requests = await this.ledger.requests(runId)
    const exceptions = await this.ledger.exceptions(runId)
    const { acked, rejected, parked, pending } = totals
    expect(outcomeCounts(settlementOf(requests, exceptions), sends)).toEqual({ acked, rejected, parked, pending })
    expect(acked + rejected + parked + pending).toBe(sends)
    return { totals, requests, exceptions, notes, progress }
  }

  async close(): Promise<void> {
    for (const destination of this.opened) await destination.close()
    await this.server.close()
    await this.ledger.close()
    await rm(this.folder, { recursive: true })
  }
}

/** These tests are not about disks: where there is a file system in memory, each commit's flush costs nothing. */
function quickFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

async function takeLease(ledger: Ledger, token: string, now: number): Promise<Lease> {
  const answer = await ledger.acquire('sync:s', { host: 'h', pid: 1, token }, now, 60_000, () => true)
  if (answer.kind === 'locked') throw new TypeError('the lease is held')
  return answer.lease
}

export async function* chunksOf(rows: readonly PlannedChange[], size = 50): AsyncGenerator<readonly PlannedChange[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size)
}
