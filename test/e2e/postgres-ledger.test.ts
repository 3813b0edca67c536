/** A DuckDB warehouse with its ledger on a Postgres server, through the command line. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { type CuttingProxy, startCuttingProxy } from '../ledger/cutting-proxy.ts'
import { administer } from '../ledger/postgres-ledger.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { command, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const people = 300

describe.skipIf(postgresMissing !== undefined)('a project whose ledger is on a Postgres server', () => {
  let server: PostgresServer
  let proxy: CuttingProxy
  let far: Receiver
  let project: TestProject
  let schemas = 0

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(async () => {
    delete process.env.LEDGER_URL
    await server.stop()
  })

  beforeEach(async () => {
    far = await startReceiver()
    far.slowness = 3
    proxy = await startCuttingProxy(server.url)
    process.env.LEDGER_URL = proxy.url
    project = await makeProject(filesOf(`night_${++schemas}`))
  })
  afterEach(async () => {
    await project.remove()
    await proxy.close()
    await far.close()
  })

  function filesOf(schema: string) {
    const rows = Array.from({ length: people }, (_, index) => `p${index},Name ${index}`)
    return {
      'activate.yml': `
name: acme
ledger: { type: postgres, url: "\${env:LEDGER_URL}", schema: ${schema} }
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${receiverSettings(far.url).replace(/max_records: 100/g, 'max_records: 10')}
`,
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
      'data/people.csv': `id,name\n${rows.join('\n')}\n`,
    }
  }

  const sync = (action: string, mode: string) =>
    project.write({
      'syncs/everyone.yml': `model: everyone\ndestination: far\naction: ${action}\nmode: ${mode}\nfields: { name: name }\n${
        mode === 'trigger' ? 'trigger: { on: enter, reentry: never, first_run: send }\n' : ''
      }`,
    })

  const afterRequests = async (requests: number) => {
    const target = far.requests + requests
    await until(() => far.requests >= target)
  }

  /** Kills a run at a moment that differs from one test run to the next, some time after so many more requests. */
  async function killAfter(requests: number): Promise<void> {
    const child = start(project.root, 'run')
    const finished = finish(child)
    await afterRequests(requests)
    await new Promise(resolve => setTimeout(resolve, Math.random() * 20))
    child.kill('SIGKILL')
    expect((await finished).code).toBeNull()
  }

  async function run(): Promise<RunDocument['runs'][number]> {
    const { stdout, stderr } = await command(project.root, 'run', '--json')
    const [summary] = (JSON.parse(stdout) as RunDocument).runs
    if (summary === undefined) throw new Error(stderr)
    return summary
  }

  describe('when a run is killed', () => {
    test('loses nothing of an upsert, and the next run is not locked out', async () => {
      await sync('upsert', 'mirror')
      await killAfter(7)
      expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { parked: 0, pending: 0 } })
      expect(far.records.size).toBe(people)
      expect(await run()).toMatchObject({ requests: 0 })
    })

    test('never repeats what cannot be repeated', async () => {
      await sync('send', 'trigger')
      // Slow enough that at least one is not answered yet whenever it is killed.
      far.slowness = 60
      await killAfter(30)
      far.slowness = 3
      const next = await run()
      await run()
      const keys = far.received.map(({ key }) => key)
      expect(new Set(keys).size).toBe(keys.length)
      const blocked = next.plan?.reasons['unresolved.parked'] ?? 0
      expect(blocked).toBeGreaterThan(0)
      // Four are on their way at most, those whose answers are just being written down among them.
      expect(blocked).toBeLessThanOrEqual(4)
      expect(keys.length).toBeGreaterThanOrEqual(people - blocked)
    })
  })

  describe('when connections are lost in the middle of a run', () => {
    test('goes on as if nothing had happened, and sends everything once', async () => {
      await sync('send', 'trigger')
      const finished = finish(start(project.root, 'run', '--json'))
      for (const requests of [5, 40, 40]) {
        await afterRequests(requests)
        proxy.cutAll()
      }
      proxy.cutAnswerTo('insert into requests')
      const { code, stdout } = await finished
      expect(JSON.parse(stdout)).toMatchObject({
        runs: [{ status: 'succeeded', outcomes: { acked: people, parked: 0, pending: 0 } }],
      })
      expect(code).toBe(0)
      expect(new Set(far.received.map(({ key }) => key)).size).toBe(people)
      expect(far.received).toHaveLength(people)
    })

    test('sends nothing once the server is gone for good, and says so; the next run settles what was on its way', async () => {
      await sync('send', 'trigger')
      // Nobody comes back, and it is not the waiting that is looked at.
      process.env.ACTIVATE_LEDGER_PATIENCE_MS = '1500'
      const finished = finish(start(project.root, 'run', '--json'))
      delete process.env.ACTIVATE_LEDGER_PATIENCE_MS
      await afterRequests(20)
      proxy.shut()
      const { code, stdout } = await finished
      expect(code).toBe(1)
      expect(JSON.parse(stdout)).toMatchObject({ runs: [{ status: 'failed', problems: [{ code: 'A5020' }] }] })
      expect(far.received.length).toBeLessThan(people)
      proxy.reopen()
      const next = await run()
      await run()
      const keys = far.received.map(({ key }) => key)
      expect(new Set(keys).size).toBe(keys.length)
      const blocked = next.plan?.reasons['unresolved.parked'] ?? 0
      expect(keys.length).toBeGreaterThanOrEqual(people - blocked)
    })
  })

  test('is locked for a runner elsewhere while one is at work', async () => {
    await sync('upsert', 'mirror')
    const elsewhere = await makeProject({ ...filesOf(`night_${schemas}`) })
    await elsewhere.write({
      'syncs/everyone.yml': 'model: everyone\ndestination: far\naction: upsert\nmode: mirror\nfields: { name: name }\n',
    })
    far.slowness = 0
    let answer: () => void = () => undefined
    far.gate = new Promise(resolve => {
      answer = resolve
    })
    const first = finish(start(project.root, 'run'))
    await until(() => far.requests > 0)
    const second = await command(elsewhere.root, 'run', '--json')
    expect(second.code).toBe(6)
    expect(second.json<RunDocument>().runs[0]).toMatchObject({ status: 'locked', problems: [{ code: 'A9001' }] })
    answer()
    expect((await first).code).toBe(0)
    await elsewhere.remove()
  })

  test('leaves the server untouched by a dry run, and tells of it in doctor', async () => {
    await sync('upsert', 'mirror')
    expect((await command(project.root, 'dry-run')).code).toBe(0)
    const schema = `night_${schemas}`
    expect(await administer(server.url, `select from pg_namespace where nspname = '${schema}'`)).toHaveLength(0)
    const bare = await makeProject({
      'activate.yml': `name: acme\nledger: { type: postgres, url: "\${env:LEDGER_URL}", schema: ${schema} }\n`,
    })
    const { code, stdout } = await command(bare.root, 'doctor')
    await bare.remove()
    expect(stdout).toContain(`postgres opened, schema ${schema}, no runs yet`)
    expect(stdout).toMatch(/ledger clock\s+ok/)
    expect(stdout).toMatch(/secret env:LEDGER_URL\s+ok/)
    expect(code).toBe(0)
  })

  test.each([
    ['without its secret', '', 'A1150'],
    ['as somebody whom the server does not know', 'nobody_here', 'A5021'],
  ])('exits with 4 %s', async (_what, user, code) => {
    await sync('upsert', 'mirror')
    const url = new URL(proxy.url)
    url.username = user
    process.env.LEDGER_URL = user === '' ? '' : url.href
    const failed = await command(project.root, 'run')
    expect([failed.code, failed.stderr]).toEqual([4, expect.stringContaining(code)])
    expect(far.requests).toBe(0)
  })
})
