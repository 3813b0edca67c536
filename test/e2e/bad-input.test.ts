import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { command as activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let crm: Receiver
let project: TestProject

const config = (url: string) => `name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, score: { type: number } } }
destinations:
  crm: ${receiverSettings(url)}`
const model = (select: string) => `/*---\nkey: id\n---*/\n${select}\n`
const plain = 'select id, score from {{source "people"}}'
const sync = 'model: everyone\ndestination: crm\naction: upsert\nmode: mirror\nfields: { score: score }\n'

beforeEach(async () => {
  crm = await startReceiver()
  project = await makeProject({
    'activate.yml': config(crm.url),
    'models/everyone.sql': model(plain),
    'syncs/everyone.yml': sync,
    'data/people.csv': 'id,score\na,1\nb,2\n',
  })
})

afterEach(async () => {
  await project.remove()
  await crm.close()
})

interface Expected {
  readonly exit: number
  readonly code: string
  readonly place?: string
  readonly says: RegExp
}

const cases: readonly (readonly [string, Readonly<Record<string, string>>, Expected])[] = [
  [
    'malformed YAML',
    { 'syncs/everyone.yml': `${sync}guard: { min_rows: 1\n` },
    { exit: 7, code: 'A1007', place: 'syncs/everyone.yml:', says: /guard|flow|}/ },
  ],
  [
    'an unknown key',
    { 'syncs/everyone.yml': `${sync}gaurd: { min_rows: 1 }\n` },
    { exit: 7, code: 'A1101', place: 'syncs/everyone.yml:6:1', says: /did you mean "guard"/ },
  ],
  [
    'an unknown mode',
    { 'syncs/everyone.yml': sync.replace('mirror', 'miror') },
    { exit: 7, code: 'A1107', place: 'syncs/everyone.yml:4:7', says: /did you mean "mirror"/ },
  ],
  [
    'an unknown model',
    { 'syncs/everyone.yml': sync.replace('model: everyone', 'model: everyne') },
    { exit: 7, code: 'A1', place: 'syncs/everyone.yml:1:8', says: /did you mean "everyone"/ },
  ],
  [
    'two models of one name',
    { 'models/more/everyone.sql': model(plain) },
    { exit: 7, code: 'A1', place: 'models/', says: /everyone/ },
  ],
  [
    'two syncs of one name',
    { 'syncs/more/everyone.yml': sync },
    { exit: 7, code: 'A1110', place: 'syncs/more/everyone.yml:1:1', says: /two syncs called "everyone"/ },
  ],
  [
    'a key that is given twice',
    { 'syncs/everyone.yml': `${sync}mode: upsert\n` },
    { exit: 7, code: 'A1008', place: 'syncs/everyone.yml:6:1', says: /"mode" is given twice/ },
  ],
  [
    'a cycle of models',
    {
      'models/everyone.sql': model('select * from {{ref "other"}}'),
      'models/other.sql': 'select * from {{ref "everyone"}}\n',
    },
    { exit: 7, code: 'A2010', place: 'models/', says: /everyone -> other -> everyone|other -> everyone -> other/ },
  ],
  [
    'a template that is not a helper',
    { 'models/everyone.sql': model('select id, {{score}} as score from {{source "people"}}') },
    { exit: 7, code: 'A2003', place: 'models/everyone.sql:4:', says: /score/ },
  ],
  [
    'a mapped column that the model lacks',
    { 'models/everyone.sql': model('select id, score as scor from {{source "people"}}') },
    { exit: 1, code: 'A4002', place: 'syncs/everyone.yml:5:', says: /did you mean "scor"/ },
  ],
  [
    'a key column that the model lacks',
    { 'models/everyone.sql': model(plain).replace('key: id', 'key: idd') },
    { exit: 1, code: 'A4002', place: 'models/everyone.sql:', says: /did you mean "id"/ },
  ],
  [
    'a key that is missing in rows',
    { 'data/people.csv': 'id,score\na,1\n,2\n' },
    { exit: 1, code: 'A4001', place: 'models/everyone.sql', says: /null \(1 row/ },
  ],
  [
    'a key that is there twice',
    { 'data/people.csv': 'id,score\na,1\na,2\n' },
    { exit: 1, code: 'A4001', place: 'models/everyone.sql', says: /"a" \(2 rows\)/ },
  ],
  [
    'NaN',
    { 'models/everyone.sql': model(`select id, 'nan'::double as score from {{source "people"}}`) },
    { exit: 1, code: 'A4003', place: 'syncs/everyone.yml:5:', says: /NaN/ },
  ],
  [
    'a value out of its declared range',
    {
      'models/everyone.sql': `/*---\nkey: id\ncolumns:\n  score: { type: number, tests: [{ between: [0, 1] }] }\n---*/\n${plain}\n`,
    },
    { exit: 1, code: 'A2022', place: 'models/everyone.sql:4:', says: /between 0 and 1/ },
  ],
  [
    'SQL that the warehouse refuses',
    { 'models/everyone.sql': model('select id, nosuch from {{source "people"}}') },
    { exit: 1, code: 'A3010', place: 'models/everyone.sql:4:', says: /nosuch/ },
  ],
  [
    'a model that fails while it is computed',
    { 'models/everyone.sql': model(`select id, error('boom') as score from {{source "people"}}`) },
    { exit: 1, code: 'A3010', place: 'models/everyone.sql:', says: /boom[\s\S]*activate compile everyone/ },
  ],
  [
    'a table model that fails while it is computed for another',
    {
      'models/everyone.sql': model('select * from {{ref "other"}}'),
      'models/other.sql': `/*---\nmaterialised: table\n---*/\nselect id, cast(id as integer) as score from {{source "people"}}\n`,
    },
    { exit: 1, code: 'A3010', place: 'models/other.sql:', says: /model "other"/ },
  ],
  [
    'a source whose file is not there',
    { 'activate.yml': 'NOFILE' },
    { exit: 1, code: 'A3010', place: 'activate.yml:3:3', says: /source "people"[\s\S]*nosuch\.csv/ },
  ],
  [
    'a value that does not fit its declared type',
    { 'data/people.csv': 'id,score\na,much\n' },
    { exit: 1, code: 'A3010', place: 'activate.yml:3:3', says: /'much' is not a number[\s\S]*people\.csv/ },
  ],
  ['a file that is not there', { 'activate.yml': '' }, { exit: 7, code: 'A1', place: 'activate.yml', says: /empty/ }],
  [
    'a literal credential',
    { 'activate.yml': 'LITERAL' },
    { exit: 7, code: 'A11', place: 'activate.yml:', says: /\$\{env:/ },
  ],
  [
    'a credential that is not in the environment',
    { 'activate.yml': 'MISSING' },
    { exit: 4, code: 'A1150', place: 'activate.yml:', says: /NO_SUCH_TOKEN/ },
  ],
]

describe('bad input gets a place, a code and help, and nothing is sent', () => {
  test.each(cases)('%s', async (_name, files, expected) => {
    const special = { LITERAL: 'Bearer abcdef123456', MISSING: 'Bearer ${env:NO_SUCH_TOKEN}' }
    const header = special[files['activate.yml'] as keyof typeof special]
    const other =
      files['activate.yml'] === 'NOFILE' ? { 'activate.yml': config(crm.url).replace('people.csv', 'nosuch.csv') } : {}
    const written =
      header === undefined
        ? { ...files, ...other }
        : { 'activate.yml': `${config(crm.url)}    headers: { authorization: "${header}" }\n` }
    await project.write(written)
    const { code, stderr, stdout } = await activate(project.root, 'run')
    expect({ code, stderr }).toMatchObject({ code: expected.exit })
    expect(stderr).toContain(`error[${expected.code}`)
    if (expected.place !== undefined) expect(stderr).toContain(`--> ${expected.place}`)
    expect(stderr).toMatch(expected.says)
    expect(stderr).toMatch(/= help: ./)
    expect(stdout + stderr).not.toContain('abcdef123456')
    expect(crm.requests).toBe(0)
  })
})

describe('bad input', () => {
  test('leaves what was sent before as it is, and the next good night goes on from there', async () => {
    await activate(project.root, 'run')
    for (const bad of ['id,score\na,1\na,2\n', 'id,score\na,5\nb,much\n', 'id,other\na,1\n']) {
      await project.write({ 'data/people.csv': bad })
      expect((await activate(project.root, 'run')).code).toBe(1)
    }
    await project.write({ 'data/people.csv': 'id,score\na,1\nb,3\n' })
    const { code, json } = await activate(project.root, 'run', '--json')
    const [run] = json<RunDocument>().runs
    expect([code, run?.plan?.changes, crm.requests]).toEqual([0, { enter: 0, change: 1, leave: 0 }, 2])
  })

  test('is a document with its place when asked', async () => {
    await project.write({ 'syncs/everyone.yml': `${sync}gaurd: { min_rows: 1 }\nownrs: []\n` })
    const { code, json, stderr } = await activate(project.root, 'run', '--json')
    const place = { code: 'A1101', file: 'syncs/everyone.yml', column: 1 }
    expect([code, stderr]).toEqual([7, ''])
    expect(json()).toMatchObject({
      schema: 'activate.error/1',
      errors: [
        { ...place, line: 6, help: expect.stringContaining('guard') },
        { ...place, line: 7, help: expect.stringContaining('owners') },
      ],
    })
  })
})

describe('a destination', () => {
  test('that is down fails the run, and the next one sends everything', async () => {
    const { url } = crm
    await project.write({ 'activate.yml': config('http://127.0.0.1:9') })
    const { code, stderr, json } = await activate(project.root, 'run', '--json')
    expect({ code, stderr }).toMatchObject({ code: 1 })
    const [run] = json<RunDocument>().runs
    expect(run).toMatchObject({
      status: 'failed',
      outcomes: { acked: 0, rejected: 0, parked: 0, pending: 2 },
      problems: [{ code: expect.stringMatching(/^A60/) }],
    })
    await project.write({ 'activate.yml': config(url) })
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(crm.records.size).toBe(2)
  })

  test('that refuses the credentials ends with exit code 4', async () => {
    crm.fault = () => 401
    const { code, stderr } = await activate(project.root, 'run')
    expect({ code, stderr }).toMatchObject({ code: 4, stderr: expect.stringContaining('error[A6001]') })
    crm.fault = undefined
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(crm.records.size).toBe(2)
  })

  test('that refuses a record ends with exit code 3 and says how many', async () => {
    crm.refuse = ({ key }) => (key === 'a' ? 'no' : undefined)
    const { code, stdout } = await activate(project.root, 'run', '--json')
    expect([code, JSON.parse(stdout).runs[0].outcomes]).toEqual([3, { acked: 1, rejected: 1, parked: 0, pending: 0 }])
  })
})

describe('a plan', () => {
  test('that would send something ends a dry run with exit code 2 when asked', async () => {
    expect((await activate(project.root, 'dry-run', '--exit-code')).code).toBe(2)
    await activate(project.root, 'run')
    expect((await activate(project.root, 'dry-run', '--exit-code')).code).toBe(0)
  })

  test('that was saved is executed exactly, or refused as stale with exit code 1', async () => {
    await activate(project.root, 'dry-run', '--save', 'plan.json', '--as-of', '2026-03-01T02:00')
    await project.write({ 'data/people.csv': 'id,score\na,1\nb,3\n' })
    const stale = await activate(project.root, 'run', '--plan', 'plan.json')
    expect([stale.code, crm.requests]).toEqual([1, 0])
    expect(stale.stderr).toContain('error[A4010]')
    await project.write({ 'data/people.csv': 'id,score\na,1\nb,2\n' })
    expect((await activate(project.root, 'run', '--plan', 'plan.json')).code).toBe(0)
    expect(crm.records.size).toBe(2)
  })

  test('that is no plan is refused with exit code 7', async () => {
    for (const text of ['{"schema":"other"}', 'no JSON', '{"schema":"activate.plan/1","plans":[]}']) {
      await project.write({ 'plan.json': text })
      const { code, stderr } = await activate(project.root, 'run', '--plan', 'plan.json')
      expect([code, stderr]).toEqual([7, expect.stringContaining('error[A8008]: plan.json is not a saved plan')])
    }
    expect((await activate(project.root, 'run', '--plan', 'nosuch.json')).code).toBe(7)
    expect(crm.requests).toBe(0)
  })

  test('that a guard holds ends with exit code 5, and --yes executes it', async () => {
    await activate(project.root, 'run')
    await project.write({ 'data/people.csv': 'id,score\n' })
    expect((await activate(project.root, 'run')).code).toBe(5)
    expect(crm.records.size).toBe(2)
    expect((await activate(project.root, 'run', '--yes')).code).toBe(0)
    expect(crm.records.size).toBe(0)
  })
})
