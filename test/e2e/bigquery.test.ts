/** A night in BigQuery, end to end: the built tool, the official client, a BigQuery of tests. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BigqueryServer, startBigquery, testProject } from '../bigquery/server.ts'
import { shell, temporaryFolder } from '../cli/activate.ts'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'

interface Demo {
  readonly programmes: unknown
  readonly sandbox: { readonly counts: unknown }
  readonly nights: readonly {
    readonly runs: readonly { sync: string; plan?: { rows: unknown; reasons: unknown }; outcomes: unknown }[]
  }[]
}

describe.skipIf(zetasqlMissing !== undefined)('on BigQuery', () => {
  let server: BigqueryServer
  beforeAll(async () => {
    server = await startBigquery()
  })
  afterAll(() => server.stop())

  const folder = temporaryFolder()
  const activate = (...argv: string[]) =>
    shell(folder, { GOOGLE_CLOUD_PROJECT: testProject, ACTIVATE_BIGQUERY_ENDPOINT: server.url })(...argv)

  test('the worked example comes to what it comes to on DuckDB, also when answers are lost', async () => {
    const demo = async (name: string, ...more: string[]) => {
      const size = ['--nights', '1', '--customers', '120']
      const { stdout, stderr } = await activate('demo', '--dir', name, ...size, '--json', '--quiet', ...more)
      expect(stderr).toBe('')
      const { programmes, sandbox, nights } = JSON.parse(stdout) as Demo
      const runs = nights.flatMap(night =>
        night.runs.map(({ sync, plan, outcomes }) => ({ sync, rows: plan?.rows, reasons: plan?.reasons, outcomes })),
      )
      return { programmes, counts: sandbox.counts, runs }
    }
    server.inject('POST /jobs', 'lost', 5)
    server.inject('GET /queries', 'incomplete', 5)
    server.inject('GET /queries', { status: 503, reason: 'backendError' }, 5)
    const onBigquery = await demo('on-bigquery', '--target', 'bq')
    expect(onBigquery.runs.length).toBeGreaterThan(5)
    expect(onBigquery).toEqual(await demo('on-duckdb'))
    expect([...server.engine.tables.keys()].filter(name => name.includes('scratch__'))).toEqual([])

    const validated = await activate('-C', 'on-bigquery', '--target', 'bq', 'validate')
    expect([validated.code, validated.stderr]).toEqual([0, expect.any(String)])

    // A token that BigQuery does not take.
    server.inject('GET /datasets', { status: 401, reason: 'authError', message: 'Invalid Credentials' })
    const { code, stderr } = await activate('-C', 'on-bigquery', '--target', 'bq', 'dry-run')
    expect([code, stderr]).toEqual([4, expect.stringContaining('does not accept application default credentials')])
  }, 240_000)

  test('doctor tries each source, and says which grant is missing or where it stands', async () => {
    await mkdir(join(folder(), 'sources'), { recursive: true })
    await writeFile(
      join(folder(), 'sources', 'activate.yml'),
      `name: sources
timezone: UTC
warehouse: { type: bigquery, state: sources_state }
sources:
  read: { table: shop.read }
  elsewhere: { table: us_shop.orders }
  refused: { table: shop.refused }
`,
    )
    const text = { name: 'id', type: typeOf('STRING') }
    server.engine.datasets.set('shop', 'EU')
    for (const name of ['shop.read', 'shop.refused'])
      server.engine.tables.set(name, { kind: 'TABLE', columns: [text], rows: [] })
    server.engine.refused.add('shop.refused')
    const { stdout, code } = await activate('-C', 'sources', 'doctor', '--json')
    const { checks } = JSON.parse(stdout) as {
      checks: { check: string; status: string; found: string; help: string }[]
    }
    const of = (name: string) => checks.find(({ check }) => check === `source ${name}`)
    expect(of('read')).toMatchObject({ status: 'ok', found: 'shop.read can be read' })
    expect(of('elsewhere')).toMatchObject({
      ...{
        status: 'fail',
        found: expect.stringContaining('A3054'),
        help: expect.stringContaining("the state's is EU"),
      },
    })
    expect(of('refused')).toMatchObject({
      ...{ status: 'fail', found: expect.stringContaining('A3053') },
      help: expect.stringContaining('GRANT `roles/bigquery.dataViewer` ON SCHEMA `acme.shop`'),
    })
    expect(code).toBe(1)
  })
})
