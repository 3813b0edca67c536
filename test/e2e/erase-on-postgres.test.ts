/** Forgetting a person whose warehouse and ledger are on a Postgres server: nothing of them is in its files afterwards. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { shell } from '../cli/activate.ts'
import { administer, clientOf } from '../ledger/postgres-ledger.ts'
import { isInTables, oldestPostgres, type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const people = (rows: readonly string[]) => `customer_id,email,name,phone,spend\n${rows.join('\n')}\n`
const ada = 'ADA-1,ada.lovelace@analytical.example,Ada Augusta Lovelace,+447700900815,10'
const alsoAda = 'ADA-2,ada.lovelace@analytical.example,Ada Augusta Lovelace,+447700900815,20'
const others = Array.from({ length: 200 }, (_, index) => `C-${index},c${index}@acme.example,Cyd,,${index % 100}`)
/** Everything that tells who ada is; no other row holds any of it. */
const traces = ['ADA-1', 'ADA-2', 'ada.lovelace@analytical.example', 'Ada Augusta Lovelace', '+447700900815']

describe.skipIf(postgresMissing !== undefined)('erasing on a Postgres server', () => {
  let server: PostgresServer
  let far: Receiver
  let project: TestProject
  let names = 0

  beforeAll(async () => {
    server = await startPostgres({ version: oldestPostgres })
  })
  afterAll(() => server.stop())
  afterEach(async () => {
    await far.close()
    await project.remove()
  })

  let activate: ReturnType<typeof shell>
  const run = (day: number) => activate('run', '--json', '--sample', '50', '--as-of', `2026-03-0${day}`)

  beforeEach(async () => {
    far = await startReceiver()
    names += 1
    activate = shell(() => project.root, { PG_URL: server.url, ACTIVATE_USER: 'dpo' })
    project = await makeProject({
      'activate.yml': `
name: acme
warehouse: { type: postgres, url: "\${env:PG_URL}", state: state_${names} }
ledger: { type: postgres, url: "\${env:PG_URL}", schema: ledger_${names} }
sources:
  people: { csv: data/people.csv }
  links: { csv: data/links.csv }
destinations:
  hook:${receiverSettings(far.url)}
identity:
  entity: customer
  key: customer_id
  identifiers: { email: { normalise: email } }
  links: [links]
policies:
  holdouts: [{ name: global, share: 50%, epoch: "1", salt: s, applies_to: communications }]
`,
      'models/people.sql': `/*---
key: customer_id
on_violation: quarantine
columns: { spend: { type: integer, tests: [{ between: [0, 100] }] } }
---*/
select customer_id, email, name, phone, cast(spend as integer) as spend from {{source "people"}}
`,
      'models/links.sql':
        '/*---\nkey: left_value\n---*/\nselect left_type, left_value, right_type, right_value from {{source "links"}}\n',
      'syncs/crm.yml':
        'model: people\ndestination: hook\naction: upsert\nmode: upsert\nfields: { email: email, name: name, spend: spend }\n',
      'syncs/audience.yml':
        'model: people\ndestination: hook\naction: upsert\nmode: mirror\nfields: { email: email, phone: phone }\n',
      'syncs/mail.yml':
        'model: people\ndestination: hook\naction: send\nmode: trigger\ntrigger: { on: enter, reentry: never, first_run: send }\nchannel: email\npurpose: news\nfields: { to: email, name: name }\n',
      'data/people.csv': people([ada, alsoAda, ...others]),
      'data/links.csv':
        'left_type,left_value,right_type,right_value\ncustomer_id,ADA-1,email,ada.lovelace@analytical.example\ncustomer_id,ADA-2,email,ada.lovelace@analytical.example\n',
    })
    // One of her records is refused with her address in the answer, and with those of others.
    far.refuse = ({ path, key, fields }) =>
      path === '/customers' && key === 'ADA-2' && 'name' in fields
        ? `duplicate of ${traces[2]}, who is ADA-1 (beside C-1)`
        : undefined
    expect((await run(1)).code).toBe(3)
    await project.write({ 'data/people.csv': people([ada.replace(',10', ',-5'), alsoAda, ...others]) })
    await run(2)
    await project.write({ 'data/people.csv': people([ada, alsoAda, ...others]) })
    // What the server knows of columns by itself some time after: their commonest values and the ends of their ranges.
    await administer(server.url, 'analyze')
  })

  /** Which traces are in the server's tables and in the files of the project, but for its own sources. */
  async function found(): Promise<readonly string[]> {
    const hits: string[] = []
    for (const trace of traces) if (await isInTables(server.url, trace)) hits.push(`server: ${trace}`)
    const folder = join(project.root, '.activate')
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      const content = entry.isFile() ? await readFile(join(entry.parentPath, entry.name)) : Buffer.of()
      for (const trace of traces) if (content.includes(trace)) hits.push(`${entry.name}: ${trace}`)
    }
    return hits
  }

  /** What the guide asks the server's administrator to do beside it. */
  const tidyCatalog = () => administer(server.url, 'vacuum full pg_catalog.pg_statistic')

  test('leaves no byte of a person in any table of warehouse, ledger and catalog, and nobody else is touched', async () => {
    expect(await found()).toEqual(traces.map(trace => `server: ${trace}`))
    const before = (await activate('inspect', 'C-1', '--json', '--show-pii')).json()
    const dry = await activate('erase', 'ADA-1', '--dry-run', '--json')
    expect([dry.code, dry.json()]).toEqual([0, expect.objectContaining({ status: 'counted', keys: 2 })])

    const erased = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes', '--json')
    expect([erased.stderr, erased.code]).toEqual(['', 0])
    expect(erased.json()).toMatchObject({ status: 'erased', remains: [], removed: dry.json().removed })
    await tidyCatalog()
    expect(await found()).toEqual([])

    expect((await activate('inspect', 'C-1', '--json', '--show-pii')).json()).toEqual(before)
    const again = await activate('erase', 'ADA-1', '--yes', '--json')
    expect(again.json()).toMatchObject({ status: 'erased', removed: { ledger: {}, warehouse: {}, files: {} } })

    const night = await run(3)
    expect(night.code).toBe(0)
    expect(far.received.filter(({ key, op }) => key.startsWith('ADA') && op === 'enter').length).toBeGreaterThan(0)
    far.received.length = 0
    await run(4)
    expect(far.received.filter(({ key }) => key.startsWith('ADA'))).toEqual([])
    await activate('erase', 'ADA-1', '--yes')
    await tidyCatalog()
    expect(await found()).toEqual([])
  })

  test('says where rows remain that somebody on the server still sees, and finishes when that is over', async () => {
    const reader = await clientOf(server.url)
    await reader.query('begin isolation level repeatable read')
    await reader.query('select 1')
    const erased = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes', '--json')
    expect([erased.code, erased.json()]).toEqual([
      3,
      expect.objectContaining({
        remains: [
          expect.stringMatching(/^the ledger: deleted rows may remain in .*runs.* a session/),
          expect.stringMatching(/^the warehouse: deleted rows may remain in .*snapshot__crm.* a session/),
        ],
      }),
    ])
    await reader.end()
    const again = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes', '--json')
    expect([again.code, again.json().remains]).toEqual([0, []])
    await tidyCatalog()
    expect(await found()).toEqual([])
  })
})
