/**
 * A process that is stopped with SIGSTOP past its lease keeps its locks: on a DuckDB file nobody can work until it ends, but the lease is the
 * other's. When it goes on it may record nothing, and send nothing but what was already on its way out.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { FailpointName } from '../../src/failpoints/failpoints.ts'
import type { RunDocument } from '../../src/run.ts'
import { seededRandom } from '../../src/sandbox/seeded.ts'
import { makeProject } from '../e2e/project.ts'
import { type Child, isStopped, start } from './child.ts'
import { startFarEnd } from './far-end.ts'
import type { ClassName } from './idempotency-classes.ts'
import { inspectState } from './inspection.ts'
import { judge } from './judgement.ts'
import { recordOf } from './recorded.ts'
import { filesOf, scenarios, sqliteLedger, World } from './scenario.ts'
import { Truth } from './truth.ts'

const leaseLength = 5_000

/** Where it stands still, and how many requests leave after it: one where the first byte was about to leave. */
const cases: readonly (readonly [ClassName, FailpointName, number])[] = [
  ['none', 'send.before', 0],
  ['none', 'send.leaving', 1],
  ['keyed', 'ledger.conclude.before', 0],
  ['natural', 'delivered', 0],
]

test.concurrent.each(cases)(
  'a process of class %s that was stopped at %s past its lease',
  { timeout: 600_000 },
  async (name, place, late) => {
    const random = seededRandom(5)
    const scenario = scenarios.find(
      ({ idempotency, mode, batch }) => idempotency === name && mode === 'trigger' && batch,
    )
    if (scenario === undefined) throw new TypeError(`no scenario of class ${name}`)
    const far = await startFarEnd(random)
    // One connection, so that nothing else is on its way.
    const files = filesOf(scenario, far.url, sqliteLedger)
    const project = await makeProject({
      ...files,
      'activate.yml': String(files['activate.yml']).replace('concurrency: 2', 'concurrency: 1'),
    })
    const world = new World(random)
    await project.write({ 'data/people.csv': world.csv() })
    const run = (env = {}) =>
      start(project.root, ['run', '--json', '--as-of', '2026-03-01'], { ACTIVATE_LEASE_MS: `${leaseLength}`, ...env })
    let first: Child | undefined
    try {
      first = run({ ACTIVATE_FAILPOINT: `${place}=stop` })
      expect(await isStopped(first)).toBe(true)
      await delay(leaseLength)
      const second = await run().ended
      expect([second.code, (JSON.parse(second.stdout) as RunDocument).runs[0]?.problems?.[0]?.code]).toEqual([
        6,
        'A3002',
      ])

      const [before, arrived] = [await recordOf(project.root), far.arrivals.size]
      first.process.kill('SIGCONT')
      expect((await first.ended).code).toSatisfy((code: number) => code === 1 || code === 6)
      expect(await recordOf(project.root)).toEqual(before)
      expect(Math.ceil((far.arrivals.size - arrived) / 3)).toBe(late)

      const third = await run({ ACTIVATE_LEASE_MS: '' }).ended
      expect(third.code).toSatisfy((code: number) => code === 0 || code === 3)
      const truth = new Truth(scenario)
      truth.pass(world.people)
      expect(judge(scenario, far, truth, await inspectState(project.root, 'everyone')).violations).toEqual([])
    } finally {
      first?.process.kill('SIGKILL')
      await project.remove()
      await far.close()
    }
  },
)
