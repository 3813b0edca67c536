/** Nights on a PostgreSQL server, end to end. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { runSyncs } from '../../src/run.ts'
import { shell, temporaryFolder } from '../cli/activate.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { makeProject, runOptions, withProject } from './project.ts'
import { receiverSettings, startReceiver } from './receiver.ts'

describe.skipIf(postgresMissing !== undefined)('on PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())
  afterEach(() => {
    vi.restoreAllMocks()
  })

  const folder = temporaryFolder()

  test('the worked example comes to what it comes to on DuckDB', async () => {
    const demo = async (name: string, ...more: string[]) => {
      const activate = shell(folder, { PG_URL: server.url })
      const ended = await activate(
        'demo',
        '--dir',
        name,
        '--nights',
        '2',
        '--customers',
        '300',
        '--json',
        '--quiet',
        ...more,
      )
      expect([ended.code, ended.stderr]).toEqual([0, ''])
      const { programmes, sandbox, checks, nights } = ended.json() as {
        programmes: unknown
        sandbox: { counts: unknown }
        checks: readonly { ok: boolean }[]
        nights: readonly {
          runs: readonly { sync: string; plan: { rows: unknown; reasons: unknown }; outcomes: unknown }[]
        }[]
      }
      expect(checks.every(({ ok }) => ok)).toBe(true)
      const runs = nights.map(night =>
        night.runs.map(({ sync, plan, outcomes }) => ({ sync, rows: plan?.rows, reasons: plan?.reasons, outcomes })),
      )
      return { programmes, counts: sandbox.counts, runs }
    }
    expect(await demo('on-postgres', '--target', 'pg')).toEqual(await demo('on-duckdb'))

    const lookAt = (url: string, ...argv: string[]) =>
      shell(folder, { PG_URL: url })('-C', 'on-postgres', '--target', 'pg', ...argv)
    const tests = await lookAt(server.url, 'test', '--as-of', '2026-03-03T02:00:00Z')
    expect([tests.code, tests.stdout]).toEqual([0, expect.stringMatching(/ 0 failed/)])
    const refused = await lookAt(server.url.replace('activate@', 'stranger@'), 'dry-run')
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('does not let the user "stranger"')])
  }, 240_000)

  test('a session that is ended in any step costs an error and nothing else', async () => {
    const crm = await startReceiver()
    const project = await makeProject({
      'activate.yml': `
name: acme
warehouse: { type: postgres, url: "\${env:PG_URL}", state: killed }
sources:
  people: { csv: people.csv, columns: { id: { type: string, tests: [unique] }, score: { type: integer } } }
destinations:
  crm: ${receiverSettings(crm.url)}
`,
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, score from {{source "people"}}\n',
      'syncs/everyone.yml':
        'model: everyone\ndestination: crm\naction: upsert\nmode: mirror\nfields: { score: score }\nguard: { max_leavers: 100% }\n',
    })
    const administrator = new pg.Client({ connectionString: server.url })
    administrator.on('error', () => undefined)
    await administrator.connect()
    const query = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => Promise<unknown>
    const kill = () =>
      query.call(
        administrator,
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'activate'`,
      )
    /** Ends every session of the run right before its statement of this number; returns how many there were. */
    const night = async (scores: Readonly<Record<string, number>>, killedAt = Number.POSITIVE_INFINITY) => {
      let count = 0
      vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
        count += 1
        if (count !== killedAt) return query.apply(this, args)
        // A stream of rows is given at once, and loses its session under way.
        const isStream = typeof args[0] === 'object' && args[0] !== null && 'submit' in args[0]
        const killed = kill()
        return isStream ? query.apply(this, args) : killed.then(() => query.apply(this, args))
      } as never)
      await project.write({
        'people.csv': `id,score\n${Object.entries(scores)
          .map(([id, score]) => `${id},${score}\n`)
          .join('')}`,
      })
      try {
        const options = runOptions('2026-03-01T02:00:00Z')
        const env = { env: { PG_URL: server.url } }
        const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, options), env)
        return { count, status: runs[0]?.status, error: JSON.stringify(runs[0]) }
      } catch (error) {
        if (!(error instanceof ActivateError)) throw error
        return { count, status: 'failed', error: error.message }
      } finally {
        vi.restoreAllMocks()
      }
    }
    try {
      const { count: statements, status, error } = await night({ a: 0, b: 0, gone: 0 })
      expect(status, error).toBe('succeeded')
      expect([...crm.records.keys()].sort()).toEqual(['a', 'b', 'gone'])
      const steps = 14
      for (let step = 1; step <= steps; step += 1) {
        const scores = { a: step, b: step * 10, [`new_${step}`]: step }
        const killedAt = Math.floor((step * (statements - 2)) / steps)
        const before = crm.received.length
        const killed = await night(scores, killedAt)
        // What comes after the settling, such as dropping what is no longer needed, takes nothing back.
        if (killed.status === 'succeeded') expect(killedAt).toBeGreaterThan(statements * 0.8)
        else expect(killed.error).toMatch(/A30(34|41)/)
        expect((await night(scores)).status).toBe('succeeded')
        const expected = Object.entries(scores).map(([id, score]) => [id, { score }])
        expect(Object.fromEntries(crm.records)).toEqual(Object.fromEntries(expected))
        // One enter, two changes and one leaver, however often each of them was sent.
        expect(new Set(crm.received.slice(before).map(({ changeId }) => changeId)).size).toBe(4)
      }
    } finally {
      await administrator.end()
      await project.remove()
      await crm.close()
    }
  }, 240_000)
})
