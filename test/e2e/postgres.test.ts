/** Nights on a PostgreSQL server, end to end. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { runSyncs } from '../../src/run.ts'
import { shell, temporaryFolder } from '../cli/activate.ts'
import { oldestPostgres, type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { receiverSettings, startReceiver } from './receiver.ts'

describe.skipIf(postgresMissing !== undefined)('on PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ version: oldestPostgres })
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
    expect([tests.stderr, tests.code, tests.stdout]).toEqual(['', 0, expect.stringMatching(/ 0 failed/)])
    const refused = await lookAt(server.url.replace('activate@', 'stranger@'), 'dry-run')
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('does not let the user "stranger"')])
  }, 240_000)

  const settings = (crm: string, source: string, state: string) => `
name: acme
warehouse: { type: postgres, url: "\${env:PG_URL}", state: ${state} }
sources:
  people: ${source}
destinations:
  crm: ${receiverSettings(crm)}
`
  const everyone = {
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, score from {{source "people"}}\n',
    'syncs/everyone.yml':
      'model: everyone\ndestination: crm\naction: upsert\nmode: mirror\nfields: { score: score }\nguard: { max_leavers: 100% }\n',
  }

  /** Runs a night, and does something right before its statement of this number. Tells how many there were. */
  async function night(project: TestProject, act?: { readonly before: number; readonly work: () => Promise<unknown> }) {
    let count = 0
    vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
      count += 1
      if (act === undefined || count !== act.before) return query.apply(this, args)
      // A stream of rows is given at once, and meets what is done under way.
      const isStream = typeof args[0] === 'object' && args[0] !== null && 'submit' in args[0]
      const done = act.work()
      return isStream ? query.apply(this, args) : done.then(() => query.apply(this, args))
    } as never)
    try {
      const options = runOptions('2026-03-01T02:00:00Z')
      const env = { env: { PG_URL: server.url } }
      const { runs } = await withProject(project, wired => runSyncs(wired, wired.project.syncs, options), env)
      return { count, status: runs[0]?.status, error: JSON.stringify(runs[0]) }
    } catch (error) {
      if (!(error instanceof ActivateError)) throw error
      return { count, status: 'failed', error: JSON.stringify(error.problems) }
    } finally {
      vi.restoreAllMocks()
    }
  }
  const query = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => Promise<unknown>

  /** A session of its own, which the nights' statements are not counted with. */
  async function openAdministrator() {
    const client = new pg.Client({ connectionString: server.url })
    client.on('error', () => undefined)
    await client.connect()
    return { execute: (sql: string) => query.call(client, sql), end: () => client.end() }
  }

  test('a session that is ended in any step costs an error and nothing else', async () => {
    const crm = await startReceiver()
    const source = '{ csv: people.csv, columns: { id: { type: string, tests: [unique] }, score: { type: integer } } }'
    const project = await makeProject({
      ...everyone,
      'activate.yml': settings(crm.url, source, `killed_${new URL(crm.url).port}`),
    })
    const administrator = await openAdministrator()
    const kill = () =>
      administrator.execute(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'activate'`,
      )
    const nightOf = async (scores: Readonly<Record<string, number>>, before?: number) => {
      const rows = Object.entries(scores).map(([id, score]) => `${id},${score}\n`)
      await project.write({ 'people.csv': `id,score\n${rows.join('')}` })
      return night(project, before === undefined ? undefined : { before, work: kill })
    }
    try {
      // The first night makes the tables of the state; those that follow have fewer statements.
      await nightOf({ a: 0, b: 0, early: 0 })
      const { count: statements, status, error } = await nightOf({ a: -1, b: -1, gone: 0 })
      expect(status, error).toBe('succeeded')
      expect([...crm.records.keys()].sort()).toEqual(['a', 'b', 'gone'])
      const steps = 14
      for (let step = 1; step <= steps; step += 1) {
        const scores = { a: step, b: step * 10, [`new_${step}`]: step }
        const killedAt = Math.floor((step * (statements - 2)) / steps)
        const before = crm.received.length
        const killed = await nightOf(scores, killedAt)
        // What comes after the settling, such as dropping what is no longer needed, takes nothing back.
        if (killed.status === 'succeeded') expect(killedAt).toBeGreaterThan(statements * 0.8)
        else expect(killed.error).toMatch(/A30(34|41)/)
        expect((await nightOf(scores)).status).toBe('succeeded')
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

  test('a source that is dropped midway is an error that names it, and never an empty population', async () => {
    const crm = await startReceiver()
    const administrator = await openAdministrator()
    await administrator.execute(
      'drop schema if exists shop cascade; create schema shop; create table shop.people (id text, score integer)',
    )
    const project = await makeProject({
      ...everyone,
      'activate.yml': settings(crm.url, '{ table: shop.people }', `dropped_${new URL(crm.url).port}`),
    })
    try {
      await administrator.execute(`insert into shop.people values ('a', 0), ('b', 0), ('new', 0)`)
      // The first night makes the tables of the state; those that follow have fewer statements.
      await night(project)
      const { count: statements, status, error } = await night(project)
      expect(status, error).toBe('succeeded')
      const said: string[] = []
      // What is computed early is read once; afterwards the source may go.
      const early = [2, 5, 8, 11, 14, 17, 20]
      for (const [step, before] of [...early, Math.floor(statements / 2), statements - 4].entries()) {
        await administrator.execute(`delete from shop.people where id like 'new%'; update shop.people set score = ${step} where id = 'a';
          insert into shop.people values ('new_${step}', ${step})`)
        const held = new Map(crm.records)
        const work = () => administrator.execute('alter table shop.people rename to people_elsewhere')
        const dropped = await night(project, { before, work })
        if (dropped.status === 'failed') {
          said.push(dropped.error)
          expect(crm.records).toEqual(held)
        } else expect(dropped.status, dropped.error).toBe('succeeded')
        await administrator.execute('alter table shop.people_elsewhere rename to people')
        expect((await night(project)).status).toBe('succeeded')
        expect([...crm.records.keys()].sort()).toEqual(['a', 'b', `new_${step}`])
        expect(crm.records.get('a')).toEqual({ score: step })
      }
      expect(said.length).toBeGreaterThan(0)
      for (const text of said) expect(text).toMatch(/A30\d\d.*shop\.people/)
    } finally {
      await administrator.end()
      await project.remove()
      await crm.close()
    }
  }, 240_000)
})
