/** What a server may refuse, lose or cut off: each with an error that says what to do, and never an empty answer. */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { openPostgres } from '../../src/warehouse/postgres.ts'
import type { PostgresSettings } from '../../src/warehouse/postgres-connect.ts'
import { raw, render } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { noSecrets, settingsFor } from './postgres-state.ts'

async function refusal(work: Promise<unknown>): Promise<ActivateError> {
  const answer = await work.then(
    value => `it gave ${JSON.stringify(value)}`,
    (error: unknown) => error,
  )
  if (answer instanceof ActivateError) return answer
  throw new Error(`expected an ActivateError: ${String(answer)}`)
}

describe.skipIf(postgresMissing !== undefined)('PostgreSQL', () => {
  let server: PostgresServer
  let administrator: pg.Client
  const opened: Warehouse[] = []
  beforeAll(async () => {
    server = await startPostgres()
    administrator = new pg.Client({ connectionString: server.url })
    administrator.on('error', () => undefined)
    await administrator.connect()
  })
  afterEach(async () => {
    for (const warehouse of opened.splice(0)) await warehouse.close()
  })
  afterAll(async () => {
    await administrator.end()
    await server.stop()
  })

  const open = async (more: Partial<PostgresSettings> = {}) => {
    const warehouse = await openPostgres(settingsFor(server, more), noSecrets)
    opened.push(warehouse)
    return warehouse
  }
  const ask = (warehouse: Warehouse, sql: string) => warehouse.query({ sql, params: [] })
  const as = (user: string) => server.url.replace('activate@', `${user}@`)
  const running = async (sql: string) => {
    for (;;) {
      const { rows } = await administrator.query(
        `select pid from pg_stat_activity where query like $1 and state = 'active' and pid <> pg_backend_pid()`,
        [`${sql}%`],
      )
      if (rows.length > 0) return
      await delay(10)
    }
  }

  test('what several processes have no room for is done by one, in every session from then on', async () => {
    await administrator.query(`create function hungry() returns text language plpgsql as $$ begin
      if current_setting('max_parallel_workers_per_gather') = '0' then return 'alone'; end if;
      raise exception using errcode = '53100',
        message = 'could not resize shared memory segment "/PostgreSQL.1" to 8388608 bytes: No space left on device';
    end $$`)
    const warehouse = await open({ pool: 2 })
    const wait = ask(warehouse, 'select pg_sleep(0.05)')
    expect(await ask(warehouse, 'select hungry() as h')).toEqual([{ h: 'alone' }])
    await wait
    const both = await Promise.all([1, 2].map(() => ask(warehouse, 'select hungry() as h, pg_sleep(0.05)')))
    expect(both.map(([row]) => row?.h)).toEqual(['alone', 'alone'])
  })

  test('what has no room for one process either is an error', async () => {
    const warehouse = await open()
    const full = `do $$ begin raise exception using errcode = '53100', message = 'could not resize shared memory segment'; end $$`
    expect((await refusal(warehouse.execute({ sql: full, params: [] }))).problems[0]?.code).toBe('A3043')
  })

  describe('opening', () => {
    test('tells who was refused where, and which variable says so', async () => {
      const place = { file: 'activate.yml', line: 4, column: 10 }
      const url = [{ secret: 'env', name: 'PG_URL', place }] as const
      const error = await refusal(
        openPostgres(settingsFor(server, { url }), { ...noSecrets, env: { PG_URL: as('nobody') } }),
      )
      expect([error.exit, error.problems[0]]).toMatchObject([
        'credentials',
        {
          code: 'A3031',
          message: expect.stringMatching(/does not let the user "nobody" into the database "postgres"$/),
          help: expect.stringMatching(
            /^check user and password in warehouse.url \(\$\{env:PG_URL\}\); the server says: role "nobody"/,
          ),
          place,
        },
      ])
    })

    test('tells a wrong password, and never shows it', async () => {
      const locked = await startPostgres({ password: 'right-one' })
      try {
        const url = [locked.url.replace('right-one', 'wrong-one')]
        const error = await refusal(openPostgres(settingsFor(locked, { url }), noSecrets))
        expect(error).toMatchObject({ exit: 'credentials', problems: [{ code: 'A3031' }] })
        expect(JSON.stringify(error.problems)).not.toContain('wrong-one')
        await (await openPostgres(settingsFor(locked), noSecrets)).close()
      } finally {
        await locked.stop()
      }
    })

    test('tells a variable that is not set', async () => {
      const url = [{ secret: 'env', name: 'PG_URL' }] as const
      expect(await refusal(open({ url }))).toMatchObject({ exit: 'credentials', problems: [{ code: 'A1150' }] })
    })

    test.each<[string, string, string]>([
      ['a database that does not exist', 'A3032', '/nowhere'],
      ['a server that is not there', 'A3030', '-gone/postgres'],
    ])('tells %s', async (_what, code, end) => {
      const url = server.url.replace('/postgres', end)
      expect((await refusal(open({ url: [url] }))).problems[0]).toMatchObject({ code })
    })

    test.each<[string, string, string]>([
      ['not a URL', 'host=db', 'A3039'],
      ['of something else', 'mysql://db/x', 'A3039'],
    ])('refuses a URL that is %s', async (_what, url, code) => {
      expect(await refusal(open({ url: [url] }))).toMatchObject({ exit: 'invalid', problems: [{ code }] })
    })

    test('does not speak in the clear to a server that was to be verified', async () => {
      const error = await refusal(open({ tls: { mode: 'verify' } }))
      expect(error.problems[0]).toMatchObject({
        code: 'A3038',
        message: expect.stringContaining('does not support SSL'),
      })
    })

    test('names the grant for a schema that the role may not make, and opens once it was given', async () => {
      await administrator.query('create role narrow login')
      const settings = { url: [as('narrow')], state: 'narrow_state' }
      const error = await refusal(open(settings))
      expect(error.problems[0]).toMatchObject({
        code: 'A3033',
        help: 'let an administrator run: create schema "narrow_state" authorization "narrow"',
      })
      await administrator.query('create schema "narrow_state" authorization "narrow"')
      await open(settings)
    })

    test('names the grant for a schema in which the role may not make tables, and for a source that it may not read', async () => {
      await administrator.query(
        'create role reader login; create schema foreign_state; create table public.orders (n int)',
      )
      const settings = { url: [as('reader')], state: 'foreign_state' }
      const grant = 'grant usage, create on schema "foreign_state" to "reader"'
      expect((await refusal(open(settings))).problems[0]?.help).toBe(`let an administrator run: ${grant}`)
      await administrator.query(grant)
      const warehouse = await open(settings)
      expect((await refusal(ask(warehouse, 'select * from public.orders'))).problems[0]).toMatchObject({
        code: 'A3033',
        help: 'let an administrator run: grant select on orders to "reader"',
      })
    })

    test('takes on a role, or says that it may not', async () => {
      await administrator.query(
        'create role worker; create role login_only login; create schema worker_state authorization worker',
      )
      const settings = { url: [as('login_only')], state: 'worker_state', role: 'worker' }
      expect((await refusal(open(settings))).problems[0]).toMatchObject({
        code: 'A3039',
        help: 'let an administrator run: grant "worker" to "login_only"',
      })
      await administrator.query('grant worker to login_only')
      expect(await ask(await open(settings), 'select current_user::text as name')).toEqual([{ name: 'worker' }])
    })
  })

  describe('while it works', () => {
    test('gives a statement up after its time', async () => {
      const warehouse = await open({ statementTimeout: 200 })
      expect((await refusal(ask(warehouse, 'select pg_sleep(20)'))).problems[0]?.code).toBe('A3035')
      expect(await ask(warehouse, 'select 1 as n')).toEqual([{ n: 1 }])
    })

    test('tells that an administrator cancelled a statement, or ended the session, and goes on in another', async () => {
      const warehouse = await open({ pool: 1 })
      for (const [deed, code] of [
        ['pg_cancel_backend', 'A3040'],
        ['pg_terminate_backend', 'A3034'],
      ] as const) {
        const answer = refusal(ask(warehouse, 'select pg_sleep(20)'))
        await running('select pg_sleep(20)')
        await administrator.query(
          `select ${deed}(pid) from pg_stat_activity where query like 'select pg_sleep(20)%' and pid <> pg_backend_pid()`,
        )
        expect((await answer).problems[0]?.code).toBe(code)
        expect(await ask(warehouse, 'select 1 as n')).toEqual([{ n: 1 }])
      }
    })

    test('throws in the middle of a stream whose session is ended, instead of ending', async () => {
      const warehouse = await open({ pool: 1 })
      const stream = warehouse.stream({ sql: 'select i from generate_series(1, 10) i', params: [] }, { chunkRows: 2 })
      const chunks = stream[Symbol.asyncIterator]()
      expect((await chunks.next()).value).toHaveLength(2)
      await administrator.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'activate'",
      )
      await delay(50)
      expect((await refusal(chunks.next())).problems[0]?.code).toBe('A3034')
    })

    test('takes back a transaction whose session is ended', async () => {
      const warehouse = await open({ pool: 1 })
      const table = warehouse.dialect.relation([...warehouse.state, 'ledgerlike'])
      await warehouse.execute({ sql: `create table ${table} (n int)`, params: [] })
      const work = refusal(
        warehouse.transaction(
          [`insert into ${table} values (1)`, 'select pg_sleep(20)'].map(sql => ({ sql, params: [] })),
        ),
      )
      await running('select pg_sleep(20)')
      await administrator.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'activate'",
      )
      expect((await work).problems[0]?.code).toBe('A3034')
      expect(await ask(warehouse, `select count(*) as n from ${table}`)).toEqual([{ n: 0 }])
    })

    test('never takes scratch tables that are gone for empty ones', async () => {
      const warehouse = await open({ pool: 1 })
      const scratch = warehouse.dialect.scratch('stage')
      await warehouse.execute(
        render(warehouse.dialect.createTableAs(scratch, raw('select 1 as n'), { scratch: true }), () => ''),
      )
      // A server that comes back from a crash has emptied every unlogged table.
      const alive = warehouse.dialect.scratch('alive')
      await administrator.query(`truncate ${alive}, ${scratch}`)
      await administrator.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'activate'",
      )
      await delay(50)
      expect((await refusal(ask(warehouse, `select * from ${scratch}`))).problems[0]?.code).toBe('A3041')
    })
  })

  describe('the schema of the state', () => {
    test('is rid of what a process that died left behind, and of nothing else', async () => {
      const living = await open({ state: 'shared_state' })
      const scratch = living.dialect.scratch('stage')
      await living.execute({ sql: `create unlogged table ${scratch} as select 1 as n`, params: [] })
      await administrator.query('create unlogged table shared_state.scratch__0123456789__stage as select 1 as n')
      await open({ state: 'shared_state' })
      expect(await ask(living, `select n from ${scratch}`)).toEqual([{ n: 1 }])
      const { rows } = await administrator.query(
        "select relname from pg_class where relname = 'scratch__0123456789__stage'",
      )
      expect(rows).toEqual([])
    })

    test('may be made ready by several runners at the same moment', async () => {
      const several = await Promise.all(Array.from({ length: 4 }, () => open({ state: 'raced_state' })))
      const table = (warehouse: Warehouse) => warehouse.dialect.relation([...warehouse.state, 'made_once'])
      await Promise.all(
        several.map(warehouse =>
          warehouse.execute({ sql: `create table if not exists ${table(warehouse)} (n int)`, params: [] }),
        ),
      )
    })

    test('keeps tables apart whose names differ beyond what the server keeps of one', async () => {
      const warehouse = await open()
      const names = ['a', 'b'].map(end => `snapshot__${'long_'.repeat(12)}${end}`)
      for (const name of names) {
        const relation = warehouse.dialect.relation([...warehouse.state, name])
        await warehouse.execute({ sql: `create table ${relation} as select '${name}' as own`, params: [] })
      }
      for (const name of names) {
        expect(await warehouse.tables(warehouse.state, name)).toContain(name)
        expect(
          await ask(warehouse, `select own from ${warehouse.dialect.relation([...warehouse.state, name])}`),
        ).toEqual([{ own: name }])
      }
      expect(() => warehouse.dialect.quote('long_'.repeat(13))).toThrow('A3036')
    })

    test('replaces a view with other columns, models on it included, and stops at what is not its own', async () => {
      const warehouse = await open({ state: 'view_state' })
      const relation = (name: string) => warehouse.dialect.relation([...warehouse.state, name])
      const make = async (name: string, select: string) => {
        for (const sql of warehouse.dialect.createModel(relation(name), select, 'view'))
          await warehouse.execute({ sql, params: [] })
      }
      await make('below', 'select 1 as a')
      await make('above', `select a from ${relation('below')}`)
      await make('below', 'select 2 as b')
      expect(await ask(warehouse, `select b from ${relation('below')}`)).toEqual([{ b: 2 }])
      await administrator.query('create view public.report as select b from view_state.below')
      expect((await refusal(make('below', 'select 3 as c'))).problems[0]?.message).toMatch(/public.report|view report/)
      expect(await ask(warehouse, `select b from ${relation('below')}`)).toEqual([{ b: 2 }])
    })

    test('runs no statement that a select hides', async () => {
      const warehouse = await open()
      await administrator.query('create table public.precious as select 1 as n')
      const hidden = raw('with gone as (delete from public.precious returning n) select n from gone')
      const scratch = warehouse.dialect.createTableAs(warehouse.dialect.scratch('hidden'), hidden, { scratch: true })
      expect((await refusal(warehouse.execute(render(scratch, () => '')))).problems[0]?.message).toMatch(
        /data-modifying/,
      )
      expect(await ask(warehouse, 'select n from public.precious')).toEqual([{ n: 1 }])
    })
  })
})
