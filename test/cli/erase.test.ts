import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { stateFilesOf } from '../../src/cli/state-files.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { loadProject } from '../../src/project/load.ts'
import { erasePerson } from '../../src/run/erase.ts'
import { type Wired, wire } from '../../src/wire.ts'
import { makeProject, type TestProject } from '../e2e/project.ts'
import { type Receiver, receiverSettings, startReceiver } from '../e2e/receiver.ts'
import { shell } from './activate.ts'

let far: Receiver
/** What two nights left behind, made once; every test works on a copy. */
let project: TestProject
let root = ''
const activate = shell(() => root, { ACTIVATE_USER: 'dpo' })

/** Everything that tells who ada is, under both of her keys; no other row holds any of it. */
const traces = ['ADA-1', 'ADA-2', 'ada.lovelace@analytical.example', 'Ada Augusta Lovelace', '+447700900815']

const people = (rows: readonly string[]) => `customer_id,email,name,phone,spend\n${rows.join('\n')}\n`
const ada = 'ADA-1,ada.lovelace@analytical.example,Ada Augusta Lovelace,+447700900815,10'
const alsoAda = 'ADA-2,ada.lovelace@analytical.example,Ada Augusta Lovelace,+447700900815,20'
const others = Array.from({ length: 30 }, (_, index) => `C-${index},c${index}@acme.example,Cyd,,${index}`)

beforeAll(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
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
select customer_id, email, name, phone, spend from {{source "people"}}
`,
    'models/links.sql':
      '/*---\nkey: left_value\n---*/\nselect left_type, left_value, right_type, right_value from {{source "links"}}\n',
    'models/copied.sql': '/*---\nkey: customer_id\nmaterialised: table\n---*/\nselect * from {{ref "people"}}\n',
    'syncs/crm.yml':
      'model: copied\ndestination: hook\naction: upsert\nmode: upsert\nfields: { email: email, name: name, spend: spend }\n',
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
  root = project.root
  await nights()
}, 60_000)

afterAll(async () => {
  await far.close()
  await project.remove()
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'activate-erase-'))
  await cp(project.root, root, { recursive: true })
  far.received.length = 0
  far.fault = undefined
})

afterEach(() => rm(root, { recursive: true }))

const run = async (day: number, ...more: readonly string[]) => {
  const ended = await activate('run', '--json', '--sample', '50', '--as-of', `2026-03-0${day}`, ...more)
  return ended
}

/** Which traces are in which files below the project, but for its own sources. */
async function found(): Promise<readonly string[]> {
  const hits: string[] = []
  for (const entry of await readdir(join(root, '.activate'), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const content = await readFile(join(entry.parentPath, entry.name))
    for (const trace of traces) if (content.includes(trace)) hits.push(`${entry.name}: ${trace}`)
  }
  return hits
}

const write = (text: string) => writeFile(join(root, 'data/people.csv'), text)

async function nights(): Promise<void> {
  expect((await run(1)).code).toBe(3)
  await write(people([ada.replace(',10', ',-5'), alsoAda, ...others]))
  await run(2)
  await activate('dry-run', '--full-resync', '--sample', '50', '--show-pii', '--save', '.activate/plan.json')
  await write(people([ada, alsoAda, ...others]))
}

test('leaves no byte of a person in any file of the state, and nobody else is touched', async () => {
  expect(new Set((await found()).map(hit => hit.split(': ')[1]))).toEqual(new Set(traces))
  const before = (await activate('inspect', 'C-1', '--json', '--show-pii')).json()

  const dry = await activate('erase', 'ADA-1', '--dry-run', '--json')
  expect(dry.code).toBe(0)
  expect(dry.json()).toMatchObject({ status: 'counted', keys: 2 })
  expect(new Set((await found()).map(hit => hit.split(': ')[1]))).toEqual(new Set(traces))

  const erased = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes', '--json')
  expect(erased.stderr).toBe('')
  expect(erased.json()).toMatchObject({ status: 'erased', remains: [], removed: dry.json().removed })
  expect(await found()).toEqual([])
  expect(erased.stdout).not.toMatch(/ADA|ada\./)
  const again = await activate('erase', 'ADA-1', '--yes', '--json')
  expect(again.json()).toMatchObject({ status: 'erased', removed: { ledger: {}, warehouse: {}, files: {} } })
  expect((await activate('inspect', 'C-1', '--json', '--show-pii')).json()).toEqual(before)
  expect((await activate('history', '--json')).code).toBe(0)
  far.fault = () => 200
  expect((await activate('doctor', '--json')).json()).toMatchObject({
    checks: expect.arrayContaining([expect.objectContaining({ check: 'audit trail', status: 'ok' })]),
  })
})

test('keeps a person from being sent, and from being written down, while the source still has them', async () => {
  await activate('erase', 'ADA-2', '--keep-at-destinations', '--yes')
  const night = await run(3, '--full-resync')
  expect(night.code).toBe(0)
  expect(far.received.filter(({ key }) => key.startsWith('ADA'))).toEqual([])
  const plans = (night.json().runs as { sync: string; plan: { reasons: Record<string, number> } }[]).map(
    ({ sync, plan }) => [sync, plan.reasons['suppression.erased']],
  )
  expect(plans).toEqual(
    expect.arrayContaining([
      ['crm', 2],
      ['audience', 2],
      ['mail', 2],
    ]),
  )
  // The table of a model is a copy of the source, which still has her; nothing else is.
  await activate('erase', 'ADA-1', '--yes')
  expect(await found()).toEqual([])
})

test('asks what is to happen where a sync could remove the person, and lets the next run do it', async () => {
  const undecided = await activate('erase', 'ADA-1', '--yes', '--json')
  expect([undecided.code, undecided.stdout]).toEqual([7, expect.stringContaining('A8018')])
  expect((await found()).length).toBeGreaterThan(0)

  const removing = await activate('erase', 'ADA-1', '--remove-first', '--yes', '--json')
  expect([removing.code, removing.json().status]).toEqual([3, 'removing'])
  far.fault = () => 200
  expect((await activate('doctor')).stdout).toContain('2 keys to be erased')
  far.fault = undefined
  await run(3)
  expect([...far.records.keys()].filter(key => key.startsWith('ADA'))).toEqual([])
  const erased = await activate('erase', 'ADA-1', '--yes', '--json')
  expect([erased.code, erased.json().status]).toEqual([0, 'erased'])
  expect(await found()).toEqual([])
})

test('refuses without a word of consent, and for nobody', async () => {
  const refused = await activate('erase', 'ADA-1')
  expect([refused.code, refused.stderr]).toEqual([7, expect.stringContaining('A8021')])
  expect((await activate('erase', '  ', '--yes')).code).toBe(7)
  expect((await activate('erase', 'X', '--remove-first', '--keep-at-destinations', '--yes')).code).toBe(7)
})

test.each([
  ['yes', 0],
  ['no', 7],
  ['', 7],
])('a person at the terminal who types %j', async (answer, code) => {
  const talk: string[] = []
  const stream = {
    write: (text: string, done?: (error?: Error | null) => void) => {
      talk.push(text)
      done?.()
      return true
    },
    on: () => undefined,
  }
  const asked: string[] = []
  const ask = async (question: string) => {
    asked.push(question)
    return answer
  }
  const io = { stdout: stream, stderr: stream, env: {}, cwd: root, ask }
  expect(await main(['erase', 'ADA-1', '--keep-at-destinations'], io)).toBe(code)
  expect(asked).toEqual([expect.stringContaining('cannot be undone')])
  expect(asked.join()).not.toContain('ADA')
  expect((await found()).length === 0).toBe(code === 0)
})

test('does not plan with another key than that of the tombstones', async () => {
  await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes')
  await writeFile(join(root, '.activate/ledger.db.key'), `${'0'.repeat(64)}\n`)
  const { code, stdout } = await run(3)
  expect(code).toBe(4)
  expect(stdout).toContain('A5012')
})

/** As the process would be if it were killed right there. */
class Killed extends Error {}

const killed = async () => {
  throw new Killed('killed')
}

const steps: readonly (readonly [string, (wired: Wired, ledger: Ledger) => Partial<Wired>])[] = [
  ['before the files', () => ({})],
  ['before the ledger', (_, ledger) => ({ ledger: async () => ({ ...ledger, forget: killed }) })],
  [
    'before the warehouse',
    wired => ({
      warehouse: async () => Object.assign(await wired.warehouse(), { transaction: killed }),
    }),
  ],
  ['before the ledger was overwritten', (_, ledger) => ({ ledger: async () => ({ ...ledger, purge: killed }) })],
  ['before the warehouse was overwritten', () => ({ rewriteWarehouse: killed })],
]

test.each(steps)('finishes what was cut off %s', async (step, breakIt) => {
  const wired = wire(await loadProject(root, { env: {} }), { env: {} })
  const files = step === 'before the files' ? { forget: killed } : stateFilesOf(root)
  const broken = { ...wired, ...breakIt(wired, await wired.ledger()) }
  const options = { dryRun: false, atDestinations: 'keep', actor: 'dpo' } as const
  await expect(erasePerson(broken, files, 'ADA-1', options)).rejects.toThrow(Killed)
  await wired.close()
  // Nothing can come back meanwhile, wherever it was cut off.
  const [crm] = (await activate('dry-run', '--json', '--select', 'crm', '--as-of', '2026-03-03')).json().plans as {
    reasons: Record<string, number>
  }[]
  expect(crm?.reasons['suppression.erased']).toBe(2)

  const again = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes', '--json')
  expect([again.code, again.json().status]).toEqual([0, 'erased'])
  expect(await found()).toEqual([])
})

test('waits for no run, and leaves one that was cut off to be settled', async () => {
  const wired = wire(await loadProject(root, { env: {} }), { env: {} })
  const ledger = await wired.ledger()
  const other = { host: 'elsewhere', pid: 1, token: 'other' }
  const answer = await ledger.acquire('sync:mail', other, Date.now(), 60_000, () => false)
  const locked = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes')
  expect([locked.code, locked.stderr]).toEqual([6, expect.stringContaining('A8020')])

  if (answer.kind !== 'acquired') throw new Error('the lease was free')
  await ledger.startRun({ runId: 'r', sync: 'mail', asOf: 0, startedAt: 0 }, answer.lease)
  await ledger.release(answer.lease)
  await wired.close()
  const unsettled = await activate('erase', 'ADA-1', '--keep-at-destinations', '--yes')
  expect([unsettled.code, unsettled.stderr]).toEqual([1, expect.stringContaining('A8019')])
  expect(unsettled.stderr).toContain('activate run --select mail')
})
