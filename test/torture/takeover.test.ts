/**
 * A runner that stands still past its lease while another takes over, and then goes on: with a warehouse that both can reach, as a server
 * would be. (A DuckDB file has one process at a time: two-processes.test.ts shows what a paused one does to the others.)
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FailpointName } from '../../src/failpoints/failpoints.ts'
import { seededRandom } from '../../src/sandbox/seeded.ts'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { makeProject, type TestProject } from '../e2e/project.ts'
import { type FarEnd, startFarEnd } from './far-end.ts'
import { idempotencyClasses } from './idempotency-classes.ts'
import { pausing, runOnce, type WallClock, wallClock } from './in-process.ts'
import { inspectState } from './inspection.ts'
import { judge } from './judgement.ts'
import { describeScenario, filesOf, scenarios, sqliteLedger } from './scenario.ts'
import { Truth } from './truth.ts'

const places: readonly FailpointName[] = [
  'materialise',
  'outbox',
  'quarantine',
  'decisions',
  'deliver',
  'ledger.begin.before',
  'ledger.begin.after',
  'send.before',
  'send.after',
  'ledger.conclude.before',
  'ledger.conclude.after',
  'delivered',
  'settle.loaded',
  'settle.computed',
  'settle.committed',
  'settle.swept',
  'ledger.updateRun.before',
]

const tonight = new Map([
  ['a', 'name1'],
  ['b', 'name2'],
  ['c', 'name3'],
  ['d', 'name4'],
  ['e', 'name5'],
])
const tomorrow = new Map([...tonight].filter(([key]) => key !== 'e')).set('a', 'name6').set('f', 'name7')

let far: FarEnd
let project: TestProject
let warehouse: Warehouse
let clock: WallClock

beforeEach(async () => {
  far = await startFarEnd(seededRandom(1))
  clock = wallClock()
})

afterEach(async () => {
  await warehouse.close()
  await project.remove()
  await far.close()
})

async function write(people: ReadonlyMap<string, string>): Promise<void> {
  await project.write({ 'data/people.csv': `id,name\n${[...people].map(row => `${row.join(',')}\n`).join('')}` })
}

/** One of each class; what differs otherwise is not what a takeover is about. */
const chosen = scenarios.filter(({ idempotency, mode, batch }) =>
  idempotency === 'natural' ? mode === 'mirror' && batch : mode === 'trigger' && !batch,
)

describe.each(chosen.map(scenario => ({ name: describeScenario(scenario), scenario })))('$name', ({ scenario }) => {
  test.each(
    places,
  )('a runner that stood still at %s while others worked records and sends nothing more', async name => {
    project = await makeProject(filesOf(scenario, far.url, sqliteLedger))
    await write(tonight)
    const settings = (await project.open()).project.warehouse
    if (settings.type !== 'duckdb') throw new TypeError('this test shares a DuckDB file')
    warehouse = await openDuckdb(settings)

    const pause = pausing({ name, hit: name === 'ledger.updateRun.before' ? 3 : 1 })
    const first = runOnce(project, { asOf: '2026-03-01', clock, failpoints: pause, warehouse })
    await pause.reached
    clock.ahead += 120_000
    const truth = new Truth(scenario)
    for (const [asOf, people] of [
      ['2026-03-01', tonight],
      ['2026-03-02', tomorrow],
    ] as const) {
      await write(people)
      const [run] = await runOnce(project, { asOf, clock, warehouse })
      expect(run).toMatchObject({ status: expect.stringMatching(/succeeded|partial/), outcomes: { pending: 0 } })
      truth.pass(people)
    }
    const before = await state()
    const arrived = [...far.arrivals.values()].reduce((sum, times) => sum + times, 0)
    pause.goOn()
    expect((await first)[0]).toMatchObject({ status: expect.stringMatching(/locked|failed/) })
    expect(await state()).toEqual(before)
    expect([...far.arrivals.values()].reduce((sum, times) => sum + times, 0)).toBe(arrived)

    const [quiet] = await runOnce(project, { asOf: '2026-03-03', clock, warehouse })
    expect(quiet).toMatchObject({ status: 'succeeded', requests: 0 })
    expect(judge(scenario, far, truth, await state()).violations).toEqual([])
    expect((await state()).parked.size).toBeLessThanOrEqual(idempotencyClasses[scenario.idempotency].parks ? 6 : 0)
  })
})

const state = () => inspectState(project.root, 'everyone', warehouse)
