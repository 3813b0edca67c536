/** What BigQuery answers when it is asked for permissions before the work, and what an error for want of one says. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { askBigquery } from '../../src/warehouse/bigquery.ts'
import type { BigquerySettings } from '../../src/warehouse/bigquery-connect.ts'
import { grantOf, grantsOf } from '../../src/warehouse/bigquery-roles.ts'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { noSecrets, openState, settingsFor } from '../bigquery/state.ts'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'

const ofState = { kind: 'state', dataset: 'acme.asked' } as const

test('one grant is named for each role that is lacking, and none that another one holds', () => {
  expect(grantsOf(['bigquery.tables.create', 'bigquery.tables.updateData'], ofState)).toEqual([
    'let an administrator run in BigQuery: GRANT `roles/bigquery.dataEditor` ON SCHEMA `acme.asked` TO "<principal>"',
  ])
  expect(grantsOf(['bigquery.tables.create', 'bigquery.tables.deleteSnapshot'], ofState)).toEqual([
    'let an administrator run in BigQuery: GRANT `roles/bigquery.dataOwner` ON SCHEMA `acme.asked` TO "<principal>"',
  ])
  const ofProject = { kind: 'project', project: 'acme', state: 'asked' } as const
  expect(grantOf('bigquery.jobs.create', ofProject)).toContain('--role=roles/bigquery.jobUser')
  expect(grantOf('bigquery.datasets.create', ofProject)).toContain('--role=roles/bigquery.user')
})

describe.skipIf(zetasqlMissing !== undefined)('permissions in BigQuery', () => {
  let server: BigqueryServer
  beforeAll(async () => {
    server = await startBigquery()
    server.engine.datasets.set('asked', 'EU')
    server.engine.datasets.set('shop', 'EU')
    const columns = [{ name: 'id', type: typeOf('STRING') }]
    server.engine.tables.set('shop.orders', { kind: 'TABLE', columns, rows: [] })
  })
  afterAll(() => server.stop())
  afterEach(() => server.allow())

  const ask = (more: Partial<BigquerySettings> = {}) =>
    askBigquery(settingsFor(server, { state: 'asked', ...more }), noSecrets, [['shop', 'orders']])
  const answerOn = async (on: string, more: Partial<BigquerySettings> = {}) =>
    (await ask(more)).find(answer => answer.on === on)

  test('are all asked for, of the project, of the state and of each source, and nothing is left behind', async () => {
    const [before, asked] = [server.requests.length, server.asked.length]
    expect((await ask()).map(({ on, kind }) => [on, kind])).toEqual([
      ['project acme', 'granted'],
      ['acme.asked', 'granted'],
      ['acme.shop.orders', 'granted'],
    ])
    expect(
      server.asked.slice(asked).map(({ on, permissions }) => [on.replace(/__\w+__/, '__…__'), permissions]),
    ).toEqual([
      ['project', ['bigquery.jobs.create']],
      [
        'asked.scratch__…__permissions',
        ['get', 'getData', 'update', 'updateData', 'delete', 'createSnapshot', 'deleteSnapshot'].map(
          verb => `bigquery.tables.${verb}`,
        ),
      ],
      ['shop.orders', ['bigquery.tables.get', 'bigquery.tables.getData']],
    ])
    expect(server.requests.slice(before)).not.toContain('POST /jobs')
    expect([...server.engine.tables.keys()]).toEqual(['shop.orders'])
  })

  test.each<[string, string, readonly string[], string, string]>([
    ['running jobs', 'project', ['bigquery.jobs.create'], 'project acme', '--role=roles/bigquery.jobUser'],
    [
      'seeing the state',
      'asked',
      ['bigquery.datasets.get'],
      'acme.asked',
      '`roles/bigquery.dataEditor` ON SCHEMA `acme.asked`',
    ],
    [
      'making tables',
      'asked',
      ['bigquery.tables.create'],
      'acme.asked',
      '`roles/bigquery.dataOwner` ON SCHEMA `acme.asked`',
    ],
    [
      'writing',
      'asked',
      ['bigquery.tables.updateData'],
      'acme.asked',
      '`roles/bigquery.dataEditor` ON SCHEMA `acme.asked`',
    ],
    [
      'copies that end',
      'asked',
      ['bigquery.tables.deleteSnapshot'],
      'acme.asked',
      '`roles/bigquery.dataOwner` ON SCHEMA `acme.asked`',
    ],
    [
      ...([
        'reading a source',
        'shop',
        ['bigquery.tables.get', 'bigquery.tables.getData'],
        'acme.shop.orders',
      ] as const),
      '`roles/bigquery.dataViewer` ON SCHEMA `acme.shop`',
    ],
  ])('for %s are named when they are missing, with the role and its place', async (_what, on, permissions, place, grant) => {
    server.deny(on, ...permissions)
    const answer = await answerOn(place)
    expect(answer).toEqual({ on: place, kind: 'missing', permissions, grants: [expect.stringContaining(grant)] })
  })

  test('for copies are not asked for where none are made', async () => {
    server.deny('asked', 'bigquery.tables.createSnapshot', 'bigquery.tables.deleteSnapshot')
    expect(await answerOn('acme.asked', { undo_days: 0 })).toMatchObject({ kind: 'granted' })
  })

  test('for making the dataset are asked for where it is not there', async () => {
    server.deny('project', 'bigquery.datasets.create')
    const answers = await ask({ state: 'not_there' })
    expect(answers.map(({ on }) => on)).toEqual(['project acme', 'acme.shop.orders'])
    expect(answers[0]).toMatchObject({ kind: 'missing', permissions: ['bigquery.datasets.create'] })
  })

  test('that cannot be asked for are never said to be there', async () => {
    const refusal = { status: 403, reason: 'forbidden', message: 'Request had insufficient authentication scopes.' }
    server.inject('POST /projects:testIamPermissions', refusal)
    server.inject('POST /datasets/tables:testIamPermissions', refusal, 2)
    const unknown = { kind: 'unknown', because: 'Request had insufficient authentication scopes.' }
    expect(await ask()).toEqual([
      { on: 'project acme', ...unknown },
      { on: 'acme.asked', ...unknown },
      { on: 'acme.shop.orders', ...unknown },
    ])
    expect([...server.engine.tables.keys()]).toEqual(['shop.orders'])
  })

  test('that a statement lacks are named together with all others that are missing', async () => {
    const { warehouse, cleanup } = await openState(server, { state: 'asked' })
    server.deny('project', 'bigquery.jobs.create')
    server.deny('asked', 'bigquery.tables.deleteSnapshot')
    const problemOf = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(ActivateError)
      return (error as ActivateError).problems[0]
    }
    const { code, message, help } = await problemOf(warehouse.query({ sql: 'select 1 as one', params: [] }))
    expect([code, message]).toEqual(['A3053', expect.stringContaining('bigquery.jobs.create')])
    expect(help).toContain(
      'missing are bigquery.jobs.create on project acme; bigquery.tables.deleteSnapshot on acme.asked',
    )
    expect(help).toContain('--role=roles/bigquery.jobUser')
    expect(help).toContain('GRANT `roles/bigquery.dataOwner` ON SCHEMA `acme.asked`')

    server.allow()
    await warehouse.execute({ sql: 'create table asked.kept as select 1 as n', params: [] })
    server.deny('asked', 'bigquery.tables.deleteSnapshot')
    const copy = warehouse.dialect.copies?.keep('`asked.kept`', '`asked.undo__kept`') ?? ''
    const refused = await problemOf(warehouse.execute({ sql: copy, params: [] }))
    expect(refused).toMatchObject({
      ...{ code: 'A3053', help: expect.stringContaining('GRANT `roles/bigquery.dataOwner` ON SCHEMA `acme.asked`') },
    })
    await cleanup()
  })
})
