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
import { mortal, pausing, runOnce, type WallClock, wallClock } from './in-process.ts'
import { inspectState } from './inspection.ts'
import { judge } from './judgement.ts'
import { describeScenario, filesOf, type Scenario, scenarios, sqliteLedger } from './scenario.ts'
import { Truth } from './truth.ts'

const places: readonly FailpointName[] = [
  'quarantine',
  'decisions',
  'ledger.begin.after',
  'send.before',
  'send.after',
  'ledger.conclude.before',
  'ledger.conclude.after',
  'delivered',
  'settle.loaded',
  'settle.computed',
  'settle.committed',
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
    await begin(scenario)
    const pause = pausing({ name, hit: name === 'ledger.updateRun.before' ? 3 : 1 })
    const first = runOnce(project, { ...night(1), failpoints: pause })
    await pause.reached
    clock.ahead += 120_000
    const truth = new Truth(scenario)
    for (const [number, people] of [
      [1, tonight],
      [2, tomorrow],
    ] as const) {
      await write(people)
      const [run] = await runOnce(project, night(number))
      expect(run).toMatchObject({ status: expect.stringMatching(/succeeded|partial/), outcomes: { pending: 0 } })
      truth.pass(people)
    }
    const [before, arrived] = [await state(), arrivals()]
    pause.goOn()
    expect((await first)[0]).toMatchObject({ status: expect.stringMatching(/locked|failed/) })
    expect([await state(), arrivals()]).toEqual([before, arrived])
    await expectQuiet(scenario, truth)
  })
})

/** Places at which a runner may stand while it delivers, and while it recovers a run that died. */
const placesOfDelivery = [
  'send.before',
  'send.after',
  'ledger.conclude.before',
  'delivered',
  'settle.computed',
] as const
const placesOfRecovery = [
  'recover.found',
  'ledger.move.after',
  'send.before',
  'send.after',
  'recover.redelivered',
  'recover.settled',
] as const

describe.each(
  chosen
    .filter(({ idempotency }) => idempotency !== 'natural')
    .map(scenario => ({ name: describeScenario(scenario), scenario })),
)('$name, where whoever takes over dies at once', ({ scenario }) => {
  test.each(placesOfDelivery)('nothing is forgotten of a run that stood still at %s', async name => {
    await begin(scenario)
    await standStill(name)
    await finish(scenario)
  })

  // What cannot be repeated is parked, and a recovery sends nothing of it.
  const resends = scenario.idempotency !== 'none'
  const reached = placesOfRecovery.filter(name => resends || !name.startsWith('send.'))
  test.each(reached)('nothing is forgotten of a dead run whose recovery stood still at %s', async name => {
    await begin(scenario)
    await runOnce(project, { ...night(1), failpoints: mortal({ name: 'send.after', hit: 2 }) })
    await standStill(name)
    await finish(scenario)
  })
})

async function begin(scenario: Scenario): Promise<void> {
  project = await makeProject(filesOf(scenario, far.url, sqliteLedger))
  await write(tonight)
  const wired = await project.open()
  const settings = wired.project.warehouse
  if (settings.type !== 'duckdb') throw new TypeError('these tests share a DuckDB file')
  warehouse = await openDuckdb(settings)
}

/** A runner stands still past its lease; another takes the lease and dies; the first goes on. */
async function standStill(name: FailpointName): Promise<void> {
  const pause = pausing({ name, hit: 1 })
  const first = runOnce(project, { ...night(1), failpoints: pause })
  await pause.reached
  clock.ahead += 120_000
  await runOnce(project, { ...night(1), failpoints: mortal({ name: 'ledger.startRun.after', hit: 1 }) })
  pause.goOn()
  expect((await first)[0]).toMatchObject({ status: expect.stringMatching(/locked|failed/) })
}

async function finish(scenario: Scenario): Promise<void> {
  const [run] = await runOnce(project, night(1))
  expect(run).toMatchObject({ outcomes: { pending: 0 } })
  const truth = new Truth(scenario)
  truth.pass(tonight)
  await expectQuiet(scenario, truth)
}

async function expectQuiet(scenario: Scenario, truth: Truth): Promise<void> {
  const [quiet] = await runOnce(project, night(3))
  expect(quiet).toMatchObject({ status: 'succeeded', requests: 0 })
  expect(judge(scenario, far, truth, await state()).violations).toEqual([])
}

const night = (number: number) => ({ asOf: `2026-03-0${number}`, clock, warehouse })
const state = () => inspectState(project.root, 'everyone', warehouse)
const arrivals = () => [...far.arrivals.values()].reduce((sum, times) => sum + times, 0)
