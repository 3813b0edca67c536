import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openLedger } from '../../src/ledger/store.ts'
import { dueTimes } from '../../src/schedule/cron.ts'
import { runSchedule, type ScheduleEvent, type ScheduleSetup, tick } from '../../src/schedule/loop.ts'

const at = (iso: string) => Date.parse(iso)
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

let folder: string
let ledger: Ledger

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-schedule-'))
  ledger = await openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') })
})

afterEach(async () => {
  await ledger.close()
  await rm(folder, { recursive: true })
})

interface World {
  now: number
  readonly served: { readonly sync: string; readonly nominalAt: number }[]
  readonly events: ScheduleEvent[]
}

function worldAt(iso: string): World {
  return { now: at(iso), served: [], events: [] }
}

/** A daemon as one process would have it; what it runs is noted in the world. */
function daemon(world: World, change: Partial<ScheduleSetup> = {}): ScheduleSetup {
  return {
    syncs: [{ name: 'nightly', schedule: '30 2 * * *' }],
    zone: 'Europe/London',
    ledger: async () => ledger,
    now: () => world.now,
    run: async (sync, nominalAt) => {
      world.served.push({ sync, nominalAt })
      return recordRun(sync, nominalAt, world.now)
    },
    log: event => world.events.push(event),
    signal: new AbortController().signal,
    ...change,
  }
}

/** What a run leaves in the ledger. */
async function recordRun(sync: string, nominalAt: number, now: number): Promise<{ runId: string; status: string }> {
  const answer = await ledger.acquire(`sync:${sync}`, { host: 'here', pid: 1, token: 't' }, now, minute, () => false)
  if (answer.kind === 'locked') throw new Error('locked')
  const runId = `${sync}-${nominalAt}`
  await ledger.startRun({ runId, sync, asOf: now, nominalAt, startedAt: now }, answer.lease)
  await ledger.updateRun(runId, { status: 'succeeded', finishedAt: now, settled: true }, answer.lease)
  await ledger.release(answer.lease)
  return { runId, status: 'succeeded' }
}

const times = (world: World) => world.served.map(({ nominalAt }) => new Date(nominalAt).toISOString().slice(0, 16))

describe('one tick after another', () => {
  test('a due time is served once, however often it is looked at', async () => {
    const world = worldAt('2026-03-01T01:00Z')
    const concluded = new Map<string, number>()
    const setup = daemon(world)
    for (; world.now <= at('2026-03-01T04:00Z'); world.now += 10 * minute) await tick(setup, concluded)
    expect(times(world)).toEqual(['2026-03-01T02:30'])
  })

  test('a restart serves nothing again', async () => {
    const world = worldAt('2026-03-01T02:00Z')
    await tick(daemon(world), new Map())
    for (const later of ['02:30', '02:31', '02:45', '09:00']) {
      world.now = at(`2026-03-01T${later}Z`)
      await tick(daemon(world), new Map())
    }
    expect(times(world)).toEqual(['2026-03-01T02:30'])
  })

  test('nothing from before the first start is caught up', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    await tick(daemon(world), new Map())
    expect(world.served).toEqual([])
  })

  test('three nights asleep are caught up by one run, and the others are recorded as skipped', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    const concluded = new Map<string, number>()
    await tick(daemon(world), concluded)
    world.now = at('2026-03-04T09:00Z')
    await tick(daemon(world), concluded)
    expect(times(world)).toEqual(['2026-03-04T02:30'])
    expect(world.events.find(event => event.kind === 'skipped')).toEqual({
      kind: 'skipped',
      sync: 'nightly',
      times: [at('2026-03-02T02:30Z'), at('2026-03-03T02:30Z')],
    })
    expect(await ledger.claimDue('nightly', at('2026-03-02T02:30Z'), world.now)).toBe(false)
  })

  test('two daemons share the work: each due time is served by one of them', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    const [left, right] = [new Map<string, number>(), new Map<string, number>()]
    await tick(daemon(world), left)
    for (world.now = at('2026-03-02T02:30Z'); world.now < at('2026-03-07T00:00Z'); world.now += day) {
      await Promise.all([tick(daemon(world), left), tick(daemon(world), right)])
    }
    expect(times(world)).toEqual([
      '2026-03-02T02:30',
      '2026-03-03T02:30',
      '2026-03-04T02:30',
      '2026-03-05T02:30',
      '2026-03-06T02:30',
    ])
  })

  test('a run that throws costs its own due time and nobody else', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    const syncs = [
      { name: 'broken', schedule: '0 2 * * *' },
      { name: 'nightly', schedule: '0 2 * * *' },
    ]
    const run: ScheduleSetup['run'] = async (sync, nominalAt) => {
      world.served.push({ sync, nominalAt })
      if (sync === 'broken') throw new Error('no such table')
      return { runId: undefined, status: 'succeeded' }
    }
    const setup = daemon(world, { syncs, run })
    const concluded = new Map<string, number>()
    await tick(setup, concluded)
    for (world.now = at('2026-03-02T02:00Z'); world.now < at('2026-03-04T00:00Z'); world.now += 6 * hour)
      await tick(setup, concluded)
    expect(world.served.map(({ sync, nominalAt }) => `${sync} ${new Date(nominalAt).getUTCDate()}`)).toEqual([
      'broken 2',
      'nightly 2',
      'broken 3',
      'nightly 3',
    ])
    expect(world.events.filter(event => event.kind === 'failed')).toHaveLength(2)
  })

  test('a ledger that is down for some ticks delays a due time and loses none', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    let down = false
    const setup = daemon(world, {
      ledger: async () => {
        if (down) throw new Error('the ledger is down')
        return ledger
      },
    })
    const concluded = new Map<string, number>()
    await tick(setup, concluded)
    down = true
    for (world.now = at('2026-03-02T02:30Z'); world.now < at('2026-03-02T02:35Z'); world.now += minute)
      await tick(setup, concluded)
    expect(world.served).toEqual([])
    down = false
    await tick(setup, concluded)
    expect(times(world)).toEqual(['2026-03-02T02:30'])
  })

  test('a claim whose process died is taken up by the next daemon', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    await tick(daemon(world), new Map())
    const due = at('2026-03-02T02:30Z')
    await ledger.claimDue('nightly', due, due)
    world.now = due + minute
    await tick(daemon(world), new Map())
    expect(world.served).toEqual([])
    world.now = due + 3 * minute
    await tick(daemon(world), new Map())
    expect(times(world)).toEqual(['2026-03-02T02:30'])
  })

  test('a claim whose process is alive is left to it', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    await tick(daemon(world), new Map())
    const due = at('2026-03-02T02:30Z')
    await ledger.claimDue('nightly', due, due)
    world.now = due + 10 * minute
    await ledger.acquire('sync:nightly', { host: 'other', pid: 1, token: 't' }, world.now, minute, () => false)
    await tick(daemon(world), new Map())
    expect(world.served).toEqual([])
  })

  test('a run that a stop interrupted is resumed by the next daemon', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    await tick(daemon(world), new Map())
    world.now = at('2026-03-02T02:30Z')
    await tick(daemon(world, { run: async () => ({ runId: undefined, status: 'interrupted' }) }), new Map())
    world.now = at('2026-03-02T02:40Z')
    await tick(daemon(world), new Map())
    expect(times(world)).toEqual(['2026-03-02T02:30'])
    expect(world.events.find(event => event.kind === 'due' && event.again)).toBeDefined()
  })

  test('over a month of hours, restarts and sleeps each due time is served or skipped once', async () => {
    const world = worldAt('2026-10-10T12:00Z')
    const start = world.now
    const syncs = [
      { name: 'nightly', schedule: '30 1 * * *' },
      { name: 'often', schedule: '0 */6 * * *' },
    ]
    let concluded = new Map<string, number>()
    for (let step = 0; world.now < start + 30 * day; step++) {
      await tick(daemon(world, { syncs }), concluded)
      if (step % 17 === 0) concluded = new Map()
      world.now += step % 23 === 0 ? 40 * hour : hour
    }
    await tick(daemon(world, { syncs }), concluded)
    for (const { name, schedule } of syncs) {
      const skipped = world.events.flatMap(event =>
        event.kind === 'skipped' && event.sync === name ? event.times : [],
      )
      const served = world.served.filter(({ sync }) => sync === name).map(({ nominalAt }) => nominalAt)
      expect([...skipped, ...served].sort((left, right) => left - right)).toEqual(
        dueTimes(schedule, 'Europe/London', start - 1, world.now),
      )
    }
  })
})

describe('the daemon', () => {
  test('a stop waits for the run that is under way and starts no other', async () => {
    const world = worldAt('2026-03-01T12:00Z')
    await tick(daemon(world), new Map())
    world.now = at('2026-03-02T02:30Z')
    const stop = new AbortController()
    const syncs = [
      { name: 'nightly', schedule: '30 2 * * *' },
      { name: 'after', schedule: '30 2 * * *' },
    ]
    await ledger.scheduleSeen('after', '30 2 * * * Europe/London', at('2026-03-01T12:00Z'))
    let ended = false
    const run: ScheduleSetup['run'] = async (sync, nominalAt) => {
      world.served.push({ sync, nominalAt })
      stop.abort()
      await new Promise(resolve => setImmediate(resolve))
      ended = true
      return { runId: undefined, status: 'succeeded' }
    }
    await runSchedule(daemon(world, { syncs, run, signal: stop.signal }))
    expect([ended, world.served.map(({ sync }) => sync)]).toEqual([true, ['nightly']])
    expect(world.events.map(({ kind }) => kind)).toEqual(['started', 'due', 'finished', 'stopping', 'stopped'])
  })
})
