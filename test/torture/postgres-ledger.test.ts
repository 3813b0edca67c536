/**
 * Torture over a ledger on a Postgres server: kills at every named place, and runners that stand still past their lease while another works
 * on everything that they share.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FailpointName } from '../../src/failpoints/failpoints.ts'
import type { RunDocument } from '../../src/run.ts'
import { seededRandom } from '../../src/sandbox/seeded.ts'
import { command } from '../e2e/command-line.ts'
import { makeProject } from '../e2e/project.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { type Child, isStopped, start } from './child.ts'
import { startFarEnd } from './far-end.ts'
import type { ClassName } from './idempotency-classes.ts'
import { inspectState } from './inspection.ts'
import { judge } from './judgement.ts'
import { liveAll } from './life.ts'
import { exhaustivePlans } from './plans.ts'
import { recordOf } from './recorded.ts'
import { filesOf, scenarios, World } from './scenario.ts'
import { Truth } from './truth.ts'

const leaseLength = 2_000

/** Where it stands still, and how many requests leave after it: one where the first byte was about to leave. */
const takeovers: readonly (readonly [ClassName, FailpointName, number])[] = [
  ['natural', 'ledger.conclude.before', 0],
  ['keyed', 'send.leaving', 1],
  ['lookup', 'send.before', 0],
  ['none', 'send.after', 0],
  ['none', 'delivered', 0],
]

describe.skipIf(postgresMissing !== undefined)('over a ledger on a Postgres server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
    process.env.LEDGER_URL = server.url
  })
  afterAll(async () => {
    delete process.env.LEDGER_URL
    await server.stop()
  })

  const ledgerIn = (schema: string) => `{ type: postgres, url: "\${env:LEDGER_URL}", schema: ${schema} }`

  test('a run that is killed at any named place is made good by the runs after it', {
    timeout: 1_200_000,
  }, async () => {
    const chosen = exhaustivePlans(scenarios, 7, { classes: 1, ledger: ledgerIn('"life_{life}"') })
    const { violations, figures, reached } = await liveAll(chosen, 2)
    expect(violations).toEqual([])
    expect(figures.kills).toBeGreaterThan(45)
    expect(reached.size).toBeGreaterThan(30)
  })

  test.concurrent.each(takeovers)(
    'a process of class %s that was stopped at %s past its lease, while another worked for a night',
    { timeout: 600_000 },
    async (name, place, late) => {
      const random = seededRandom(5)
      const mode = name === 'natural' ? 'mirror' : 'trigger'
      const scenario = scenarios.find(each => each.idempotency === name && each.mode === mode && !each.batch)
      if (scenario === undefined) throw new TypeError(`no scenario of class ${name}`)
      const far = await startFarEnd(random)
      const schema = `taken_${name}_${place.replaceAll('.', '_')}`
      // Both on the server, so that whoever takes over can do all that there is to do. One connection: nothing else is on its way.
      const warehouse = `{ type: postgres, url: "\${env:LEDGER_URL}", state: ${schema}_state }`
      const files = filesOf(scenario, far.url, ledgerIn(schema), warehouse)
      const project = await makeProject({
        ...files,
        'activate.yml': String(files['activate.yml']).replace('concurrency: 2', 'concurrency: 1'),
      })
      const world = new World(random)
      await project.write({ 'data/people.csv': world.csv() })
      const night = ['run', '--json', '--as-of', '2026-03-01']
      let first: Child | undefined
      try {
        // Only its own lease is short: on a busy machine the successor's would lapse as well.
        const env = { ACTIVATE_FAILPOINT: `${place}=stop`, ACTIVATE_LEASE_MS: `${leaseLength}` }
        first = start(project.root, night, env)
        expect(await isStopped(first)).toBe(true)
        await delay(leaseLength)
        // Nobody kills these: they run here, which spares starting them.
        const second = summaryOf((await command(project.root, ...night)).stdout)
        expect(second?.problems ?? []).toEqual([])
        expect(second).toMatchObject({ status: expect.stringMatching(/succeeded|partial/), outcomes: { pending: 0 } })
        const truth = new Truth(scenario)
        truth.pass(world.people)

        const [before, arrived] = [await recordOf(project.root), arrivals()]
        first.process.kill('SIGCONT')
        const woken = await first.ended
        expect([woken.code, summaryOf(woken.stdout)?.problems?.[0]?.code]).toEqual([
          expect.toSatisfy(code => code === 1 || code === 6),
          expect.any(String),
        ])
        expect(await recordOf(project.root)).toEqual(before)
        expect(arrivals() - arrived).toBe(late)

        const quiet = summaryOf((await command(project.root, ...night)).stdout)
        expect(quiet).toMatchObject({ requests: 0 })
        expect(judge(scenario, far, truth, await inspectState(project.root, 'everyone')).violations).toEqual([])
      } finally {
        first?.process.kill('SIGKILL')
        await project.remove()
        await far.close()
      }

      function arrivals(): number {
        return [...far.arrivals.values()].reduce((sum, times) => sum + times, 0)
      }
    },
  )
})

function summaryOf(stdout: string) {
  return (JSON.parse(stdout) as RunDocument).runs[0]
}
