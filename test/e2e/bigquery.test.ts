/** A night in BigQuery, end to end: the built tool, the official client, a BigQuery of tests. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BigqueryServer, startBigquery, testProject } from '../bigquery/server.ts'
import { shell, temporaryFolder } from '../cli/activate.ts'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'

const tenMebibytes = 10 * 2 ** 20

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

    server.count()
    const ltvTier = ['--select', 'ltv_tier', '--as-of', '2026-03-02T02:00:00Z']
    const planned = await activate('-C', 'on-bigquery', '--target', 'bq', 'dry-run', ...ltvTier, '--json')
    const [{ cost }] = JSON.parse(planned.stdout).plans
    expect(cost).toMatchObject({ usd_per_tib: 6.25, bytes: cost.plan_bytes + cost.settle_bytes })
    // Of such small tables, each is counted as 10 MiB.
    expect([cost.plan_bytes > 5 * tenMebibytes, cost.settle_bytes > 15 * tenMebibytes]).toEqual([true, true])
    const shown = await activate('-C', 'on-bigquery', '--target', 'bq', 'dry-run', ...ltvTier)
    expect(shown.stdout).toMatch(
      /bills +[\d.]+ [MG]iB a night, (?:about|less than) \$0\.0\d at \$6\.25 a TiB: [\d.]+ [MG]iB to plan, [\d.]+ [MG]iB to settle/,
    )

    server.count(false)

    // Payloads stand beside the snapshot: they are shown, pruned and erased.
    const inspected = await activate('-C', 'on-bigquery', '--target', 'bq', 'inspect', '000006', '--json')
    const { standings } = JSON.parse(inspected.stdout) as { standings: { sync: string; fields: { tier: string } }[] }
    expect(standings.find(({ sync }) => sync === 'ltv_tier')?.fields.tier).toMatch(/^(bronze|silver|gold|platinum)$/)
    const name = 'activate.payloads__ltv_tier'
    const payloads = server.engine.tables.get(name)
    if (payloads === undefined) throw new Error(`there is no ${name}`)
    const { rows } = payloads
    const superseded = rows.map(row => row.map((cell, index) => (index === 1 ? { int64Value: '1' } : cell)))
    server.engine.tables.set(name, { ...payloads, rows: [...rows, ...superseded] })
    expect((await activate('-C', 'on-bigquery', '--target', 'bq', 'prune')).stdout).toMatch(
      new RegExp(`payloads +${rows.length}\\b`),
    )
    expect(server.engine.tables.get(name)?.rows).toEqual(rows)
    const erase = ['erase', '000006', '--yes', '--keep-at-destinations']
    expect((await activate('-C', 'on-bigquery', '--target', 'bq', ...erase)).stdout).toMatch(/payloads +2\b/)
    expect(server.engine.tables.get(name)?.rows).toHaveLength(rows.length - 1)

    // A budget that no night keeps to is said before anything is computed.
    const file = join(folder(), 'on-bigquery', 'activate.yml')
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('maximum_bytes_billed: 10GiB', 'maximum_bytes_billed: 1MB'),
    )
    for (const command of ['dry-run', 'run']) {
      const before = server.statements.length
      const refused = await activate('-C', 'on-bigquery', '--target', 'bq', command, ...ltvTier)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('A3060')])
      expect(refused.stderr).toMatch(/over warehouse\.maximum_bytes_billed \(1MB\): to .* would bill about/)
      expect(server.statements.slice(before).filter(sql => /__stage__/.test(sql))).toEqual([])
    }

    // A token that BigQuery does not take.
    server.inject('GET /datasets', { status: 401, reason: 'authError', message: 'Invalid Credentials' })
    const { code, stderr } = await activate('-C', 'on-bigquery', '--target', 'bq', 'dry-run')
    expect([code, stderr]).toEqual([4, expect.stringContaining('does not accept application default credentials')])
  }, 240_000)

  test('doctor asks for permissions and tries each source, and says which grant is missing or where it stands', async () => {
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
    server.deny('sources_state', 'bigquery.tables.deleteSnapshot')
    server.inject('POST /projects:testIamPermissions', {
      ...{ status: 403, reason: 'accessNotConfigured' },
      message: 'Cloud Resource Manager API has not been used in project 1 before or it is disabled.',
    })
    const { stdout, code } = await activate('-C', 'sources', 'doctor', '--json')
    const { checks } = JSON.parse(stdout) as {
      checks: { check: string; status: string; found: string; help: string }[]
    }
    const of = (name: string) => checks.find(({ check }) => check === `source ${name}`)
    const permissionsOn = (name: string) => checks.find(({ check }) => check === `permissions on ${name}`)
    expect(permissionsOn('project acme')).toMatchObject({
      ...{ status: 'warn', found: expect.stringMatching(/^cannot be asked: Cloud Resource Manager API/) },
      help: expect.stringContaining('gcloud services enable cloudresourcemanager.googleapis.com'),
    })
    expect(permissionsOn('acme.sources_state')).toMatchObject({
      ...{ status: 'fail', found: 'A3053: missing: bigquery.tables.deleteSnapshot' },
      help: expect.stringContaining('GRANT `roles/bigquery.dataOwner` ON SCHEMA `acme.sources_state`'),
    })
    expect(permissionsOn('acme.shop.read')).toMatchObject({ status: 'ok' })
    expect(permissionsOn('acme.shop.refused')).toMatchObject({
      ...{ status: 'fail', found: 'A3053: missing: bigquery.tables.get, bigquery.tables.getData' },
      help: expect.stringContaining('GRANT `roles/bigquery.dataViewer` ON SCHEMA `acme.shop`'),
    })
    expect([...server.engine.tables.keys()].filter(name => name.includes('scratch__'))).toEqual([])
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
