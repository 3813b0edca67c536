/**
 * Each fault × each idempotency class × single records and batches × a process that lives and one that dies with the answer:
 * what the far end truly applied, against what the ledger says in the end.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Idempotency } from '../../src/delivery/destination.ts'
import { settlementOf } from '../../src/ledger/settlement.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'
import type { Behaviour, Received } from '../fault-server.ts'
import { type Far, lookupPath, rowsOf, Stage } from './delivery-kit.ts'
import { allYes, type Fault, faults, interpretEach, type Meaning } from './faults.ts'

type End = 'acked' | 'rejected' | 'parked' | 'pending'

const hour = 3_600_000
const classes: Readonly<Record<string, Idempotency>> = {
  natural: { kind: 'natural' },
  keyed: { kind: 'keyed', window: 24 * hour },
  lookup: { kind: 'lookup', settle: 60_000 },
  none: { kind: 'none' },
}
/** The far end shows what it applied only after this; the settle time is longer. */
const lag = 45_000
const sizes = [1, 3] as const
/** Longer than a busy machine takes for an honest reply. */
const patience = 600

/** A far end and a ledger for many nights; each night the far end may misbehave otherwise. */
class Column {
  readonly idempotency: Idempotency
  readonly size: number
  private readonly stage: Stage
  private readonly setFate: (fate: Fate) => void
  private nights = 0

  constructor(stage: Stage, idempotency: Idempotency, size: number, setFate: (fate: Fate) => void) {
    this.stage = stage
    this.idempotency = idempotency
    this.size = size
    this.setFate = setFate
  }

  static async open(idempotency: Idempotency, size: number): Promise<Column> {
    let fate: Fate = { behave: allYes, early: () => undefined }
    let clock = () => 0
    const stage = await Stage.open(request => fate.behave(request), {
      lookup: { path: lookupPath },
      early: head => fate.early(head.headers['x-first'] ?? ''),
      lag,
      now: () => clock(),
      ...(idempotency.kind === 'keyed' && { keyHeader: 'idempotency-key', keyWindow: idempotency.window }),
    })
    clock = () => stage.clock.now()
    return new Column(stage, idempotency, size, given => {
      fate = given
    })
  }

  private far(slow: boolean): Far {
    return {
      idempotency: this.idempotency,
      interpret: interpretEach,
      concurrency: 1,
      timeout: slow ? patience : 20_000,
      ...(this.size > 1 && { batch: { maxRecords: this.size } }),
      request: (batch, { idempotencyKey }) => ({
        method: 'POST',
        path: '/records',
        headers: { 'idempotency-key': idempotencyKey, 'x-first': batch[0]?.changeId ?? '' },
        json: { records: batch.map(({ key, changeId, op, fields }) => ({ key, change_id: changeId, op, fields })) },
      }),
    }
  }

  /** One night with the fault, and another without, for what is still pending. */
  async night(fault: Fault, dies: boolean): Promise<Night> {
    const name = `n${this.nights++}`
    const rows = rowsOf(6).map(row => ({ ...row, changeId: `${name}-${row.seq}` }))
    // The second request of single records, the first one of batches: the one with the second row in it.
    const victim = this.size === 1 ? `${name}-2` : `${name}-1`
    const hit = this.misbehave(fault, victim)
    const mark = this.stage.server.applied.length
    const far = this.far(fault.slow === true)
    await this.stage.startRun(name)
    if (dies) await this.runAndDie(name, rows, far, hit)
    else await this.stage.deliver(rows, far, { runId: name })
    this.setFate({ behave: allYes, early: () => undefined })
    if (dies) await this.stage.redeliver(rows, far, { runId: name })
    const ends = await this.ends(name, rows)

    const pending = rows.filter((_row, index) => ends[index] === 'pending')
    await this.stage.startRun(`${name}-next`)
    const afterwards = await this.stage.deliver(renumbered(pending), far, { runId: `${name}-next` })
    const applied = this.stage.server.applied.slice(mark)
    return {
      ends,
      unsettled: (await this.stage.ledger.requests(name, ['sending', 'uncertain'])).length,
      acknowledgedLater: afterwards.totals.acked === pending.length,
      effects: rows.map(({ changeId }) => applied.filter(id => id === changeId).length),
      mismatches: this.stage.server.mismatches.length,
      wasHit: hit(),
    }
  }

  private misbehave(fault: Fault, victim: string): () => boolean {
    let hits = 0
    const befalls = () => {
      hits += 1
      return fault.always === true || hits === 1
    }
    const behave = (request: Received) =>
      request.records.some(({ change_id }) => change_id === victim) || (fault.always && hits > 0)
        ? befalls()
          ? fault.behave(request, this.stage.clock.now())
          : allYes(request)
        : allYes(request)
    this.setFate(
      fault.early
        ? { behave: allYes, early: first => (first === victim && befalls() ? fault.behave(nobody, 0) : undefined) }
        : { behave, early: () => undefined },
    )
    return () => hits > 0
  }

  private async runAndDie(runId: string, rows: readonly PlannedChange[], far: Far, hit: () => boolean): Promise<void> {
    const { ledger } = this.stage
    const dying = {
      begin: ledger.begin.bind(ledger),
      move: async () => 0,
      conclude: (...given: Parameters<typeof ledger.conclude>) =>
        hit() ? Promise.reject(new Error('killed')) : ledger.conclude(...given),
    }
    await expect(this.stage.deliver(rows, far, { runId, ledger: dying })).rejects.toThrow('killed')
    await this.stage.takeOver()
  }

  private async ends(runId: string, rows: readonly PlannedChange[]): Promise<readonly End[]> {
    const { ledger } = this.stage
    const settled = settlementOf(await ledger.requests(runId), await ledger.exceptions(runId))
    const within = (ranges: readonly { readonly from: number; readonly to: number }[], seq: number) =>
      ranges.some(({ from, to }) => from <= seq && seq <= to)
    return rows.map(({ seq }) => {
      if (within(settled.acked, seq)) return 'acked'
      if (settled.rejected.some(one => one.seq === seq) || within(settled.rejectedWhole, seq)) return 'rejected'
      if (settled.parked.some(one => one.seq === seq) || within(settled.parkedWhole, seq)) return 'parked'
      return 'pending'
    })
  }

  close(): Promise<void> {
    return this.stage.close()
  }
}

interface Fate {
  readonly behave: (request: Received) => Behaviour
  readonly early: (firstChangeId: string) => Behaviour | undefined
}

interface Night {
  readonly ends: readonly End[]
  readonly unsettled: number
  /** Whether a run without faults acknowledged everything that was pending. */
  readonly acknowledgedLater: boolean
  /** How often each row took effect, that run included. */
  readonly effects: readonly number[]
  readonly mismatches: number
  readonly wasHit: boolean
}

const nobody: Received = { index: 0, method: '', path: '', headers: {}, body: '', records: [] }

function renumbered(rows: readonly PlannedChange[]): readonly PlannedChange[] {
  return rows.map((row, index) => ({ ...row, seq: index + 1 }))
}

/** What becomes of the six rows while the process lives. */
function expectedEnds({ means }: Fault, idempotency: Idempotency, size: number): readonly End[] {
  const first = size === 1 ? 1 : 0
  const meaningOf = (place: number): Meaning => (typeof means === 'string' ? means : means(place, size))
  const stops = meaningOf(0) === 'stop'
  return Array.from({ length: 6 }, (_, index): End => {
    const place = index - first
    if (stops) return place < 0 ? 'acked' : 'pending'
    if (place < 0 || place >= size) return 'acked'
    const meaning = meaningOf(place)
    if (meaning === 'no') return 'rejected'
    return meaning === 'lost' && idempotency.kind === 'none' ? 'parked' : 'acked'
  })
}

/** What holds whatever happens. */
function holds(night: Night, idempotency: Idempotency): void {
  expect(night.wasHit).toBe(true)
  expect(night.unsettled).toBe(0)
  expect(night.mismatches).toBe(0)
  // Nothing is lost: what is not acknowledged, refused or parked is delivered by the next run.
  expect(night.acknowledgedLater).toBe(true)
  night.ends.forEach((end, index) => {
    const effects = night.effects[index] ?? 0
    // Acknowledged is what was applied, and nothing else.
    if (end === 'acked' || end === 'pending') expect(effects).toBeGreaterThanOrEqual(1)
    if (end === 'rejected') expect(effects).toBe(0)
    // No duplicates, unless a repetition changes nothing.
    if (idempotency.kind !== 'natural') expect(effects).toBeLessThanOrEqual(1)
    else expect(end).not.toBe('parked')
  })
}

const columns = Object.values(classes).flatMap(idempotency => sizes.map(size => ({ idempotency, size })))
const open: Column[] = []
beforeAll(async () => {
  open.push(...(await Promise.all(columns.map(({ idempotency, size }) => Column.open(idempotency, size)))))
})
afterAll(async () => {
  await Promise.all(open.map(column => column.close()))
})

describe('a process that lives through', () => {
  test.each(faults.map(fault => [fault.name, fault] as const))('%s', async (_name, fault) => {
    const nights = await Promise.all(open.map(column => column.night(fault, false)))
    nights.forEach((night, index) => {
      const { idempotency, size } = open[index] ?? fail()
      const told = `${idempotency.kind}, ${size} in a request`
      expect({ told, ends: night.ends }).toEqual({ told, ends: expectedEnds(fault, idempotency, size) })
      holds(night, idempotency)
    })
  })
})

/** To a process that dies they are all the same but for what was applied. */
const fatal = /^(none|429 with seconds|50[03]|422|a reset|an end|a stall|200 with a page|207|too few|a second reply)/

describe('a process that dies before it can write down', () => {
  test.each(
    faults.filter(({ name }) => fatal.test(name)).map(fault => [fault.name, fault] as const),
  )('%s', async (_name, fault) => {
    const nights = await Promise.all(open.map(column => column.night(fault, true)))
    nights.forEach((night, index) => {
      const { idempotency } = open[index] ?? fail()
      holds(night, idempotency)
      expect(night.ends).not.toContain('rejected')
      expect(night.ends.includes('parked')).toBe(idempotency.kind === 'none')
    })
  })
})

function fail(): never {
  throw new TypeError('there is a column for each night')
}
