import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Knex, knex } from 'knex'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../src/delivery/destination.ts'
import type { OpenDestination } from '../../src/delivery/open-destination.ts'
import { openDestination } from '../../src/delivery/registry.ts'
import { destinations } from '../../src/destinations/index.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'

const place = { file: 'activate.yml', line: 1, column: 1 }
let root: string
let opened: { close(): Promise<void> }[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'activate-table-'))
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
  opened = []
  await rm(root, { recursive: true, force: true })
})

async function open(
  settings: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): Promise<OpenDestination> {
  const own = { name: 'db', type: 'table', place, places: {}, settings }
  const destination = await openDestination(own, { definitions: destinations, env, readFile: () => '', root })
  opened.push(destination)
  return destination
}

function send(destination: OpenDestination, action: string, changes: readonly Change[]) {
  return destination.attempt(destination.prepare(action, changes, 'k'), 0)
}

function change(key: string, fields: Change['fields'], op: Change['op'] = 'enter'): Change {
  return { key, changeId: `of-${key}`, op, fields }
}

const acked = (key: string) => ({ changeId: `of-${key}`, outcome: 'acked' })

interface Engine {
  readonly settings: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string>>
  /** A connection beside the destination's, to look and to prepare. */
  look(): Knex
}

const columns = {
  email: 'string',
  ltv: 'number',
  visits: 'integer',
  seen_at: 'timestamp',
  tags: 'json',
  vip: 'boolean',
}

function describeTable(name: string, engine: () => Engine): void {
  describe(name, () => {
    const made = (more: Readonly<Record<string, unknown>> = {}) =>
      open({ ...engine().settings, table: 'people', key: 'id', create: true, columns, ...more }, engine().env)

    async function rows(table = 'people'): Promise<readonly Readonly<Record<string, unknown>>[]> {
      const db = engine().look()
      try {
        return await db(table).select().orderBy(1)
      } finally {
        await db.destroy()
      }
    }

    async function run(sql: string): Promise<void> {
      const db = engine().look()
      try {
        await db.raw(sql)
      } finally {
        await db.destroy()
      }
    }

    test('inserts, merges only the mapped columns, and does the same again without effect', async () => {
      const destination = await made()
      const first = [
        change('c1', { email: 'ada@example.com', ltv: 120.5, visits: 7, vip: true }),
        change('c2', { email: null, ltv: 0, visits: 0, vip: false }),
      ]
      expect(await send(destination, 'upsert', first)).toEqual({ kind: 'each', outcomes: [acked('c1'), acked('c2')] })
      const second = [change('c1', { ltv: 99 }, 'change')]
      await send(destination, 'upsert', second)
      await send(destination, 'upsert', second)
      expect(
        (await rows()).map(({ id, email, ltv, visits, vip }) => [id, email, ltv, Number(visits), Boolean(vip)]),
      ).toEqual([
        ['c1', 'ada@example.com', 99, 7, true],
        ['c2', null, 0, 0, false],
      ])
    })

    test('keeps JSON, times and text exactly', async () => {
      const destination = await made()
      const text = `O'Brien "x" \\ ; drop table people; -- ü 🎉`
      await send(destination, 'upsert', [
        change('c1', { email: text, tags: ['a', { b: null }], seen_at: '2026-03-01T02:00:00.123456Z' }),
      ])
      const [row] = await rows()
      expect(row?.email).toBe(text)
      expect(typeof row?.tags === 'string' ? JSON.parse(row.tags) : row?.tags).toEqual(['a', { b: null }])
      expect(new Date(row?.seen_at as string | Date).toISOString()).toBe('2026-03-01T02:00:00.123Z')
    })

    test('refuses only the row at fault', async () => {
      const destination = await made()
      await run('drop table people')
      await run(
        'create table people (id varchar(20) primary key, email varchar(50) not null, ltv double precision check (ltv >= 0), visits bigint, seen_at varchar(30), tags varchar(30), vip boolean)',
      )
      const verdict = await send(destination, 'upsert', [
        change('c1', { email: 'a', ltv: 1 }),
        change('c2', { email: 'b', ltv: -1 }),
        change('c3', { email: null, ltv: 1 }),
        change('c4', { email: 'd', ltv: 4 }),
      ])
      expect(verdict).toMatchObject({
        kind: 'each',
        outcomes: [
          acked('c1'),
          { changeId: 'of-c2', outcome: 'rejected' },
          { changeId: 'of-c3', outcome: 'rejected' },
          acked('c4'),
        ],
      })
      expect((await rows()).map(row => row.id)).toEqual(['c1', 'c4'])
    })

    test('leaves rows alone that are there when it only inserts', async () => {
      const destination = await made()
      await send(destination, 'insert', [change('c1', { email: 'first' })])
      expect(
        await send(destination, 'insert', [change('c1', { email: 'second' }), change('c2', { email: 'new' })]),
      ).toEqual({ kind: 'each', outcomes: [acked('c1'), acked('c2')] })
      expect((await rows()).map(row => row.email)).toEqual(['first', 'new'])
    })

    test('updates what is there and refuses what is not', async () => {
      const destination = await made()
      await send(destination, 'upsert', [change('c1', { email: 'old' })])
      expect(
        await send(destination, 'update', [
          change('c1', { email: 'new' }, 'change'),
          change('c9', { email: 'x' }, 'change'),
        ]),
      ).toMatchObject({
        kind: 'each',
        outcomes: [acked('c1'), { changeId: 'of-c9', outcome: 'rejected', code: 'not_found' }],
      })
      expect((await rows()).map(row => row.email)).toEqual(['new'])
    })

    test('deletes those who leave, whether they are there or not', async () => {
      const destination = await made()
      expect(destination.action('upsert').leavers).toBe('delete')
      await send(destination, 'upsert', [change('c1', { email: 'a' }), change('c2', { email: 'b' })])
      const gone = [change('c1', { email: 'a' }, 'leave'), change('c9', {}, 'leave')]
      expect(await send(destination, 'delete', gone)).toEqual({ kind: 'each', outcomes: [acked('c1'), acked('c9')] })
      expect((await rows()).map(row => row.id)).toEqual(['c2'])
    })

    test('finds rows by a composite key', async () => {
      const destination = await made({
        table: 'renewals',
        key: ['account', 'month'],
        columns: { account: 'string', month: 'integer', email: 'string' },
      })
      await send(destination, 'upsert', [change('["a1",3]', { email: 'x' }), change('["a1",4]', { email: 'y' })])
      await send(destination, 'upsert', [change('["a1",3]', { email: 'z' }, 'change')])
      await send(destination, 'delete', [change('["a1",4]', {}, 'leave')])
      expect((await rows('renewals')).map(row => [row.account, Number(row.month), row.email])).toEqual([['a1', 3, 'z']])
      expect(
        await send(destination, 'upsert', [change('a1', { email: 'x' }), change('["a2",1]', { email: 'w' })]),
      ).toMatchObject({
        kind: 'each',
        outcomes: [{ changeId: 'of-a1', outcome: 'rejected', code: 'bad_key' }, acked('["a2",1]')],
      })
    })

    test('writes more rows than one statement takes parameters for', async () => {
      const destination = await made({ max_records: 10_000 })
      const many = Array.from({ length: 9000 }, (_, index) =>
        change(`c${index}`, { email: `${index}@example.com`, ltv: index, visits: index }),
      )
      const verdict = await send(destination, 'upsert', many)
      expect(verdict.kind === 'each' && verdict.outcomes.every(one => one.outcome === 'acked')).toBe(true)
      expect(await rows()).toHaveLength(9000)
    })

    test('takes two changes of one key in a request, the later one last', async () => {
      const destination = await made()
      const twice = [change('c1', { email: 'a' }), { ...change('c1', { email: 'b' }), changeId: 'again' }]
      const verdict = await send(destination, 'upsert', twice)
      expect(verdict).toMatchObject({ kind: 'each', outcomes: [{ outcome: 'acked' }, { outcome: 'acked' }] })
      expect((await rows()).map(row => row.email)).toEqual(['b'])
    })

    test('stops at a column that the table does not have, and writes nothing', async () => {
      const destination = await made()
      expect(await send(destination, 'upsert', [change('c1', { emial: 'a' })])).toMatchObject({
        kind: 'denied',
        code: 'table_mismatch',
      })
      expect(await rows()).toEqual([])
    })

    test('stops at a table without a unique key', async () => {
      await run('create table loose (id varchar(20), email varchar(50))')
      const destination = await open({ ...engine().settings, table: 'loose', key: 'id' }, engine().env)
      expect(await send(destination, 'upsert', [change('c1', { email: 'a' })])).toMatchObject({
        kind: 'denied',
        code: 'table_mismatch',
      })
    })

    test('does not open without its table or key column', async () => {
      await run('create table other (id varchar(20) primary key)')
      await expect(open({ ...engine().settings, table: 'nowhere', key: 'id' }, engine().env)).rejects.toThrow(
        /A6513.*nowhere/,
      )
      await expect(open({ ...engine().settings, table: 'other', key: 'no' }, engine().env)).rejects.toThrow(
        /A6513.*"no"/,
      )
    })
  })
}

describeTable('SQLite', () => ({
  settings: { client: 'sqlite', path: 'crm.db' },
  env: {},
  look: () =>
    knex({ client: 'better-sqlite3', connection: { filename: join(root, 'crm.db') }, useNullAsDefault: true }),
}))

describe('SQLite', () => {
  const sqlite = {
    client: 'sqlite',
    path: 'crm.db',
    table: 'people',
    key: 'id',
    create: true,
    columns: { email: 'string' },
  }

  test('comes back later when another process holds the file, and then loses nothing', async () => {
    const destination = await open(sqlite)
    const other = knex({
      client: 'better-sqlite3',
      connection: { filename: join(root, 'crm.db') },
      useNullAsDefault: true,
    })
    opened.unshift({ close: () => other.destroy() })
    await other.raw('begin exclusive')
    expect(await send(destination, 'upsert', [change('c1', { email: 'a' })])).toMatchObject({
      kind: 'retry',
      code: 'sqlite_busy',
    })
    await other.raw('rollback')
    expect(await send(destination, 'upsert', [change('c1', { email: 'a' })])).toEqual({
      kind: 'each',
      outcomes: [acked('c1')],
    })
  })

  test('does not make a file outside the project, or one that nobody asked for', async () => {
    await expect(open({ ...sqlite, path: '../crm.db' })).rejects.toThrow(/A6512/)
    await expect(open({ ...sqlite, create: false })).rejects.toThrow(/A6513/)
  })
})

describe.skipIf(postgresMissing !== undefined)('with a Postgres server', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())
  const engine = (): Engine => ({
    settings: { client: 'postgres', url: `\${env:PG_URL}` },
    env: { PG_URL: server.url },
    look: () => knex({ client: 'pg', connection: server.url, pool: { min: 0, max: 1 } }),
  })

  async function raw(sql: string): Promise<void> {
    const db = engine().look()
    try {
      await db.raw(sql)
    } finally {
      await db.destroy()
    }
  }

  afterEach(() => raw('drop schema public cascade; create schema public'))
  describeTable('Postgres', engine)

  const settings = {
    client: 'postgres',
    url: `\${env:PG_URL}`,
    table: 'crm.people',
    key: 'id',
    create: true,
    columns: { email: 'string', visits: 'integer' },
  }

  test('finds its table in the named schema', async () => {
    await raw('create schema crm')
    const destination = await open(settings, { PG_URL: server.url })
    expect(await send(destination, 'upsert', [change('c1', { email: 'a' })])).toEqual({
      kind: 'each',
      outcomes: [acked('c1')],
    })
    await raw('drop schema crm cascade')
  })

  test('refuses a value that the column cannot hold, alone', async () => {
    await raw('create schema crm')
    const destination = await open(settings, { PG_URL: server.url })
    expect(
      await send(destination, 'upsert', [change('c1', { visits: 'many' }), change('c2', { visits: 2 })]),
    ).toMatchObject({
      kind: 'each',
      outcomes: [{ changeId: 'of-c1', outcome: 'rejected', code: '22p02' }, acked('c2')],
    })
    await raw('drop schema crm cascade')
  })

  test('says so when it may not write', async () => {
    await raw(`create schema crm; create table crm.people (id text primary key, email text);
      create role reader login; grant usage on schema crm to reader; grant select on crm.people to reader`)
    const reader = { PG_URL: server.url.replace('activate@', 'reader@') }
    const destination = await open({ ...settings, create: false, columns: { email: 'string' } }, reader)
    expect(await send(destination, 'upsert', [change('c1', { email: 'a' })])).toMatchObject({
      kind: 'denied',
      code: '42501',
    })
    await raw('drop schema crm cascade; drop role reader')
  })

  test('acknowledges nothing when its connections are cut, and goes on with new ones', async () => {
    const destination = await open({ ...settings, table: 'people' }, { PG_URL: server.url })
    await send(destination, 'upsert', [change('c1', { email: 'a' })])
    await raw('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
    // How many sends meet a dead connection is a matter of who notices first.
    const verdicts = [await send(destination, 'upsert', [change('c2', { email: 'b' })])]
    while (verdicts.length < 10 && verdicts.at(-1)?.kind !== 'each')
      verdicts.push(await send(destination, 'upsert', [change('c2', { email: 'b' })]))
    expect(verdicts.at(-1)).toEqual({ kind: 'each', outcomes: [acked('c2')] })
    for (const verdict of verdicts.slice(0, -1)) expect(['uncertain', 'retry']).toContain(verdict.kind)
  })

  test('does not open when nobody answers, or when nobody knows the user', async () => {
    await expect(open(settings, { PG_URL: server.url.replace('activate-pg-', 'not-there-') })).rejects.toThrow(/A6514/)
    await expect(open(settings, { PG_URL: server.url.replace('activate@', 'stranger@') })).rejects.toThrow(/A6515/)
  })
})
