import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { tables } from '../../src/ledger/migrations/0001-tables.ts'
import { postgresFlavour } from '../../src/ledger/migrations/flavour.ts'
import { migrationNames } from '../../src/ledger/migrations/source.ts'
import { isPostgresLedger, openPostgres } from '../../src/ledger/postgres.ts'
import type { PostgresLedgerSettings } from '../../src/ledger/postgres-address.ts'
import { ActivateError } from '../../src/project/problem.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { startCuttingProxy } from './cutting-proxy.ts'
import { expectCode } from './expect-code.ts'
import { administer, openLedger, settingsFor } from './postgres-ledger.ts'
import { canMakeCertificates, startTlsProxy } from './tls-proxy.ts'

/** Another's server has its own ideas of who may log in, so tests that need other roles want one of their own. */
const isOwn = process.env.ACTIVATE_TEST_PG_URL === undefined

const hold = { scope: 'all', reason: 'look first', actor: 'ada', at: 1 }

describe.skipIf(postgresMissing !== undefined)('a Postgres ledger', () => {
  let server: PostgresServer
  let settings: PostgresLedgerSettings
  let roles = 0

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    settings = settingsFor(server.url)
  })

  const admin = (...statements: readonly string[]) => administer(server.url, ...statements)

  function urlAs(user: string, database?: string, password = ''): string {
    const url = new URL(server.url)
    url.username = user
    url.password = password
    if (database !== undefined) url.pathname = `/${database}`
    return url.href
  }

  async function newRole(options = ''): Promise<string> {
    const role = `role_${++roles}`
    await admin(`create role ${role} login ${options}`)
    return role
  }

  async function failureOf(opening: Promise<unknown>): Promise<ActivateError> {
    const error = await opening.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error instanceof ActivateError) return error
    throw new Error('it did not fail as it should', { cause: error })
  }

  async function use(given: PostgresLedgerSettings = settings): Promise<void> {
    const ledger = await openLedger(given)
    try {
      await ledger.hold(hold)
      await ledger.holds()
    } finally {
      await ledger.close()
    }
  }

  /** A ledger as the first migration left it. */
  const makeFirstVersion = () =>
    admin(
      `create schema ${settings.schema}`,
      `set search_path to ${settings.schema}`,
      ...tables(postgresFlavour),
      'create table knex_migrations (id serial primary key, name text, batch int, migration_time timestamptz)',
      'create table knex_migrations_lock (index serial primary key, is_locked int)',
      'insert into knex_migrations_lock (is_locked) values (0)',
      `insert into knex_migrations (name, batch) values ('${migrationNames[0]}', 1)`,
    )

  describe('when it is opened', () => {
    test('is made once, however many open it at once, and only by opening', async () => {
      expect(await isPostgresLedger(settings)).toBe(false)
      expect(await admin(`select from pg_namespace where nspname = '${settings.schema}'`)).toHaveLength(0)
      await Promise.all(Array.from({ length: 6 }, async () => (await openPostgres(settings)).close()))
      expect(await isPostgresLedger(settings)).toBe(true)
      const applied = await admin(`select name from ${settings.schema}.knex_migrations order by id`)
      expect(applied.map(({ name }) => name)).toEqual(migrationNames)
    })

    test('keeps what it was told', async () => {
      await use()
      const ledger = await openLedger(settings)
      expect(await ledger.holds()).toEqual([hold])
      await ledger.close()
    })

    test('is brought up to date from its first version, once, with what it held', async () => {
      await makeFirstVersion()
      await admin(
        `insert into ${settings.schema}.runs (run_id, sync, as_of, started_at, status, fence) values ('r1', 'a', 1, 2, 'failed', 1)`,
      )
      const ledgers = await Promise.all(Array.from({ length: 4 }, () => openLedger(settings)))
      for (const ledger of ledgers) expect(await ledger.runs({})).toMatchObject([{ runId: 'r1', startedAt: 2 }])
      expect(await ledgers[0]?.verifyAudit()).toMatchObject({ kind: 'ok', entries: 0 })
      await Promise.all(ledgers.map(ledger => ledger.close()))
    })

    test('stays out of other schemas, and shares a database with another ledger', async () => {
      const other = settingsFor(server.url)
      await use()
      await use(other)
      const found = `select table_schema from information_schema.tables where table_name = 'requests' order by 1`
      const schemas = (await admin(found)).map(row => row.table_schema)
      expect(schemas).toEqual(expect.arrayContaining([settings.schema, other.schema]))
      expect(schemas).not.toContain('public')
    })

    test.skipIf(!isOwn)('sets its sessions up: durable, read committed, and with an end to every wait', async () => {
      const role = await newRole('superuser')
      await admin(
        `alter role ${role} set synchronous_commit = off`,
        `alter role ${role} set default_transaction_isolation = 'serializable'`,
      )
      const database = await openPostgres({ ...settings, url: urlAs(role) })
      const setting = async (name: string) => (await database.knex.raw(`show ${name}`)).rows[0]?.[name]
      expect(await setting('synchronous_commit')).toBe('on')
      expect(await setting('transaction_isolation')).toBe('read committed')
      expect(await setting('lock_timeout')).toBe('10s')
      expect(await setting('statement_timeout')).toBe('15s')
      expect(await setting('idle_in_transaction_session_timeout')).toBe('8s')
      await database.close()
    })

    test.skipIf(!isOwn)('leaves a server that waits for its copies to do so', async () => {
      const role = await newRole('superuser')
      await admin(`alter role ${role} set synchronous_commit = 'remote_apply'`)
      const database = await openPostgres({ ...settings, url: urlAs(role) })
      expect((await database.knex.raw('show synchronous_commit')).rows).toEqual([
        { synchronous_commit: 'remote_apply' },
      ])
      await database.close()
    })
  })

  describe('is refused, and left as it was,', () => {
    test('when it was upgraded by a newer version', async () => {
      await use()
      await admin(`insert into ${settings.schema}.knex_migrations (name, batch) values ('9999-future', 2)`)
      await expectCode('A5002', openPostgres(settings))
      expect(await admin(`select name from ${settings.schema}.knex_migrations`)).toHaveLength(migrationNames.length + 1)
    })

    test('when the schema holds something else', async () => {
      await admin(`create schema ${settings.schema}`, `create table ${settings.schema}.runs (id int)`)
      await expectCode('A5027', openPostgres(settings))
      await expectCode('A5027', isPostgresLedger(settings))
      const found = `select table_name from information_schema.tables where table_schema = '${settings.schema}'`
      expect(await admin(found)).toEqual([{ table_name: 'runs' }])
    })

    test('when the tables of another tool that migrates with knex are there', async () => {
      const { schema } = settings
      await admin(
        `create schema ${schema}`,
        `create table ${schema}.knex_migrations (id serial, name text, batch int, migration_time timestamptz)`,
        `insert into ${schema}.knex_migrations (name) values ('20240101_users.js')`,
      )
      await expectCode('A5027', openPostgres(settings))
    })

    test.skipIf(!isOwn)('when the database is encoded in something else than UTF-8, or is not there', async () => {
      await admin(`create database latin encoding 'LATIN1' locale 'C' template template0`)
      await expectCode('A5024', openPostgres({ ...settings, url: urlAs('activate', 'latin') }))
      const failure = await failureOf(openPostgres({ ...settings, url: urlAs('activate', 'nowhere') }))
      expect(failure.problems[0]).toMatchObject({ code: 'A5024', message: expect.stringContaining('nowhere') })
    })

    test.skipIf(!isOwn)('when the server only lets it read', async () => {
      const role = await newRole('superuser')
      await admin(`alter role ${role} set default_transaction_read_only = on`)
      await expectCode('A5024', openPostgres({ ...settings, url: urlAs(role) }))
    })

    test('when there is no server', async () => {
      const proxy = await startCuttingProxy(server.url)
      await proxy.close()
      const failure = await failureOf(openPostgres({ ...settings, url: proxy.url }))
      expect(failure).toMatchObject({ exit: 'failed', problems: [{ code: 'A5020' }] })
      expect(failure.message).toContain(new URL(proxy.url).host)
      await expectCode('A5020', openPostgres({ ...settings, url: 'postgres://a@nowhere.invalid/db' }))
    })

    test.skipIf(!isOwn)('when no connection is to be had', async () => {
      const role = await newRole('superuser connection limit 0')
      await admin(`alter role ${role} nosuperuser`)
      await expectCode('A5025', openPostgres({ ...settings, url: urlAs(role) }))
    })

    test.each([
      'nonsense',
      'mysql://a:s3cret@h/db',
      'postgres://a:s3#cret@h/db',
      'postgres://a:%zz@h%zz/db',
    ])('when its url is none, which is not shown: %s', async url => {
      const failure = await failureOf(openPostgres({ ...settings, url }))
      expect(failure).toMatchObject({ exit: 'credentials', problems: [{ code: 'A5028' }] })
      expect(failure.message).not.toMatch(/s3|cret|nonsense/)
    })
  })

  describe.skipIf(!isOwn)('with credentials that do not do', () => {
    test('says whose they are and where they came from, and exits as for a secret', async () => {
      const failure = await failureOf(openPostgres({ ...settings, url: urlAs('nobody_here') }))
      expect(failure.exit).toBe('credentials')
      expect(failure.problems[0]).toMatchObject({
        ...{ code: 'A5021', message: expect.stringContaining('"nobody_here"') },
        help: expect.stringContaining(settings.source),
      })
    })

    test('never shows a password', async () => {
      const role = await newRole(`password 'right'`)
      const [found] = await admin('show hba_file')
      const file = String(found?.hba_file)
      writeFileSync(
        file,
        `local all ${role} scram-sha-256\nhost all ${role} all scram-sha-256\n${readFileSync(file, 'utf8')}`,
      )
      await admin('select pg_reload_conf()', 'select pg_sleep(0.2)')
      for (const password of ['wr0ng-s3cret', '']) {
        const failure = await failureOf(openPostgres({ ...settings, url: urlAs(role, undefined, password) }))
        expect(failure).toMatchObject({ exit: 'credentials', problems: [{ code: 'A5021' }] })
        expect(JSON.stringify([failure.problems, failure.message])).not.toContain('s3cret')
      }
      await admin(`create schema ${settings.schema} authorization ${role}`)
      await use({ ...settings, url: urlAs(role, undefined, 'right') })
    })
  })

  describe.skipIf(!isOwn)('without a grant', () => {
    /** Follows the advice, as an administrator would, until the ledger can be used; returns what had to be granted. */
    async function mend(given: PostgresLedgerSettings): Promise<readonly string[]> {
      const granted: string[] = []
      for (;;) {
        const failure = await use(given).then(
          () => undefined,
          (error: unknown) => error,
        )
        if (failure === undefined) return granted
        if (!(failure instanceof ActivateError)) throw failure
        expect(failure).toMatchObject({ exit: 'credentials', problems: [{ code: 'A5022' }] })
        const advice = failure.problems[0].help?.replace('as an administrator: ', '').replace(/ \(or: .*$/, '') ?? ''
        expect(granted).not.toContain(advice)
        granted.push(advice)
        await admin(advice)
      }
    }

    test('to make its schema: says the statement that mends it', async () => {
      const role = await newRole()
      expect(await mend({ ...settings, url: urlAs(role) })).toEqual([
        `create schema "${settings.schema}" authorization "${role}";`,
      ])
    })

    test('to use a schema that an administrator made', async () => {
      const role = await newRole()
      await admin(`create schema ${settings.schema}`)
      expect(await mend({ ...settings, url: urlAs(role) })).toEqual([
        `grant usage, create on schema "${settings.schema}" to "${role}";`,
      ])
    })

    test('to use the tables that another role made', async () => {
      const role = await newRole()
      await use()
      await administer(server.url, `delete from ${settings.schema}.holds`)
      const granted = await mend({ ...settings, url: urlAs(role) })
      expect(granted.join(' ')).toContain(
        `grant select, insert, update, delete on all tables in schema "${settings.schema}" to "${role}";`,
      )
    })

    test('to change tables of another role for a newer version', async () => {
      const role = await newRole()
      await makeFirstVersion()
      await admin(
        `grant usage, create on schema ${settings.schema} to ${role}`,
        `grant all on all tables in schema ${settings.schema} to ${role}`,
        `grant all on all sequences in schema ${settings.schema} to ${role}`,
      )
      const url = urlAs(role)
      const failure = await failureOf(openPostgres({ ...settings, url }))
      expect(failure.problems[0].code).toBe('A5022')
      expect(failure.problems[0].help).toMatch(/run `activate doctor` once as "\w+", who owns the tables/)
      await use()
      expect(await mend({ ...settings, url })).toHaveLength(1)
    })
  })

  describe('when its tables are tampered with', () => {
    test('refuses to have an entry of the audit trail changed, deleted or emptied', async () => {
      await use()
      for (const statement of [
        `update ${settings.schema}.audit set actor = 'eve'`,
        `delete from ${settings.schema}.audit`,
        `truncate ${settings.schema}.audit`,
      ])
        await expect(admin(statement), statement).rejects.toThrow('stay as they are')
    })

    test('gives away whoever gets past that', async () => {
      await use()
      await admin(
        `alter table ${settings.schema}.audit disable trigger user`,
        `update ${settings.schema}.audit set actor = 'eve'`,
      )
      const ledger = await openLedger(settings)
      expect(await ledger.verifyAudit()).toEqual({ kind: 'broken', ordinal: 1, because: 'it was changed' })
      await ledger.close()
    })

    test('says so when a table is gone', async () => {
      await use()
      const ledger = await openLedger(settings)
      await admin(`drop table ${settings.schema}.holds`)
      await expectCode('A5027', ledger.holds())
      await ledger.close()
    })
  })

  test('takes back a write that fails half way', async () => {
    const database = await openPostgres(settings)
    const insert = (scope: string) =>
      database.knex('leases').insert({ scope, host: 'h', pid: 1, token: 't', fence: 1, acquired_at: 1, expires_at: 1 })
    const half = database.write(async bind => {
      await bind(insert('first'))
      throw new RangeError('half way')
    })
    await expect(half).rejects.toThrow('half way')
    const passedOver = database.write(async bind => {
      await bind(insert('first'))
      await bind(insert('first')).then(undefined, () => undefined)
    })
    await expect(passedOver).rejects.toThrow('passed over')
    await database.write(bind => bind(insert('second')))
    expect(await database.knex('leases').pluck('scope')).toEqual(['second'])
    await database.close()
  })

  test('keeps what a destination said, but for what Postgres cannot store', async () => {
    const ledger = await openLedger(settings)
    const answer = await ledger.acquire('sync:a', { host: 'h', pid: 1, token: 't' }, Date.now(), 60_000, () => true)
    if (answer.kind !== 'acquired') throw new Error('locked')
    const { lease } = answer
    await ledger.startRun({ runId: 'run1', sync: 'a', asOf: 1, startedAt: 1 }, lease)
    const members = { seqs: [1, 2, 900_719_925_474_099] }
    const rest = { destination: 'crm', action: 'upsert', members, idempotencyKey: 'k', bodyHash: '' }
    await ledger.begin([{ requestId: 'r', runId: 'run1', ...rest }], 1, lease)
    const odd = 'a\0b "quoted" \\ {braces}, 🙂 NULL \ud800'
    const exception = { seq: 1, key: odd, changeId: 'c', state: 'rejected', code: 'x', message: odd } as const
    const error = { code: 'x\0', message: odd }
    await ledger.conclude(
      { requestId: 'r', attempt: 1, state: 'rejected', at: 2, error, exceptions: [exception] },
      lease,
    )
    await ledger.updateRun('run1', { status: 'failed', error, plan: { odd } }, lease)
    const stored = 'ab "quoted" \\ {braces}, 🙂 NULL \ufffd'
    expect(await ledger.exceptions('run1')).toMatchObject([{ message: stored }])
    expect(await ledger.requests('run1')).toMatchObject([{ members, error: { code: 'x', message: stored } }])
    expect(await ledger.runs({})).toMatchObject([{ error: { code: 'x', message: stored }, plan: { odd } }])
    await ledger.close()
  })

  describe('over TLS', () => {
    test('speaks to no server that has none', async () => {
      const url = `${settings.url}?sslmode=verify-full`
      await expectCode('A5026', openPostgres({ ...settings, url }))
      await expectCode('A5026', openPostgres({ ...settings, url: `${url}&sslrootcert=/no/such/ca.pem` }))
      await use({ ...settings, url: `${settings.url}?sslmode=disable` })
    })

    test.skipIf(!isOwn || !canMakeCertificates)(
      'trusts whom it is told to, for the host of the certificate alone',
      async () => {
        const proxy = await startTlsProxy(server.url)
        const over = (host: string, options: string) => ({ ...settings, url: `${proxy.urlOf(host)}?${options}` })
        try {
          await use(over('localhost', `sslmode=verify-full&sslrootcert=${proxy.authority}`))
          expect(proxy.encrypted).toBeGreaterThan(0)
          await expectCode('A5026', openPostgres(over('localhost', 'sslmode=verify-full')))
          await expectCode(
            'A5026',
            openPostgres(over('127.0.0.1', `sslmode=verify-full&sslrootcert=${proxy.authority}`)),
          )
        } finally {
          await proxy.close()
        }
      },
    )
  })
})
