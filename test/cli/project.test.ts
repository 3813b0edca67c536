import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { shell, temporaryFolder } from './activate.ts'

const folder = temporaryFolder()
const activate = shell(folder)

beforeEach(async () => {
  expect(await activate('init', '.', '--quiet')).toMatchObject({ code: 0, stdout: '', stderr: '' })
})

const edit = async (file: string, change: (text: string) => string) => {
  const path = join(folder(), file)
  await writeFile(path, change(await readFile(path, 'utf8')))
}

test('init refuses to overwrite what is there', async () => {
  const { code, stderr } = await activate('init', '.')
  expect([code, stderr.startsWith('error[A8005]')]).toEqual([7, true])
})

test('init writes the sandbox variant too, and it is valid', async () => {
  expect(await activate('init', 'other', '--template', 'sandbox', '--quiet')).toMatchObject({ code: 0 })
  expect(await activate('-C', 'other', 'validate', '--json')).toMatchObject({ code: 0 })
})

describe('validate', () => {
  test('a good project is counted', async () => {
    expect((await activate('validate')).stdout).toMatch(/^ok {2}.*: 1 source, 1 model, 1 sync, 1 destination\n$/)
  })

  test('global options are accepted before and after the command', async () => {
    const inner = shell(() => join(folder(), '..'))
    const before = await inner('-C', folder(), '--json', 'validate')
    const after = await inner('validate', '--json', '-C', folder())
    expect([before.code, before.stdout]).toEqual([0, after.stdout])
  })

  test('an unknown mode is pointed at', async () => {
    await edit('syncs/lapsing.yml', text => text.replace('mode: mirror', 'mode: miror'))
    const { code, stderr } = await activate('validate')
    expect(code).toBe(7)
    expect(stderr).toContain('--> syncs/lapsing.yml:4:7')
    expect(stderr).toContain('4 | mode: miror')
    expect(stderr).toContain('^^^^^ did you mean "mirror"?')
  })

  test('a target that is asked for where there are none is not blamed on a line of the file', async () => {
    const { code, stderr } = await activate('validate', '--target', 'prod')
    expect([code, stderr]).toEqual([7, expect.not.stringContaining('-->')])
    expect(stderr).toContain('activate.yml has no targets')
  })

  test('problems of destinations and of models are told together', async () => {
    await edit('syncs/lapsing.yml', text => text.replace('action: write', 'action: wite'))
    await edit('models/lapsing_customers.sql', text => text.replace('{{run_date}}', '{{rundate}}'))
    const { code, json } = await activate('validate', '--json')
    const errors = json().errors as { code: string; file: string }[]
    expect(code).toBe(7)
    expect(errors.map(error => error.file).sort()).toEqual(['models/lapsing_customers.sql', 'syncs/lapsing.yml'])
  })
})

describe('compile', () => {
  test('--as-of is the date in the SQL, read in the time zone of the project', async () => {
    const { code, stdout } = await activate('compile', 'lapsing_customers', '--as-of', '2026-06-30T23:30:00Z')
    expect([code, stdout.includes("'2026-07-01'")]).toEqual([0, true])
  })

  test('--explain says what is read and who needs it', async () => {
    const { stdout } = await activate('compile', '--explain')
    expect(stdout).toContain('-- lapsing_customers (models/lapsing_customers.sql)')
    expect(stdout).toContain('--   reads the source customers\n--   sent by lapsing\n')
  })

  test('an unknown model is refused with the nearest', async () => {
    const { code, stderr } = await activate('compile', 'lapsing_customer')
    expect([code, stderr.includes('did you mean "lapsing_customers"?')]).toEqual([7, true])
  })
})

describe('test', () => {
  test('passes on good data', async () => {
    const { code, json } = await activate('test', '--json')
    expect([code, json().counts]).toEqual([0, { passed: 4, failed: 0, broken: 0 }])
  })

  test('fails on a repeated key, shows it, and says so with the exit code', async () => {
    await edit('data/customers.csv', text => `${text}C003,chidi@example.com,Chidi,2025-06-30,1.00\n`)
    const { code, stdout } = await activate('test', '--select', 'customers')
    expect(code).toBe(1)
    expect(stdout).toMatch(/customer_id is unique +failed +2/)
    expect(stdout).toContain('{"customer_id":"C003","times":2}')
    expect(stdout).toContain('1 test passed, 1 failed')
  })

  test('a selector that matches nothing is an error', async () => {
    expect(await activate('test', '--select', 'custmers')).toMatchObject({ code: 7 })
  })
})

describe('a night', () => {
  const march = ['--as-of', '2026-03-01T02:00'] as const
  const plansOf = (json: Record<string, unknown>) => (json as unknown as PlanDocument).plans
  const runsOf = (json: Record<string, unknown>) => (json as unknown as RunDocument).runs

  test('a sync that is not enabled is planned with a warning, and never run', async () => {
    await edit('syncs/lapsing.yml', text => `${text}enabled: false\n`)
    const [plan] = plansOf((await activate('dry-run', '--json', ...march)).json())
    expect(plan).toMatchObject({ decisions: { send: 4 }, warnings: ['the sync is not enabled: a run skips it'] })
    const { code, json } = await activate('run', '--json', ...march)
    expect([code, runsOf(json())[0]]).toMatchObject([0, { status: 'skipped', requests: 0, outcomes: { acked: 0 } }])
    expect((await activate('history')).stdout).toBe('no runs yet\n')
    await expect(readdir(join(folder(), 'out'))).rejects.toThrow('ENOENT')
  })

  test('what a guard held, and why, is still told by status and history, and a saved plan says what it takes', async () => {
    await edit('syncs/lapsing.yml', text => `${text}guard: { min_rows: 100 }\n`)
    expect(await activate('run', ...march)).toMatchObject({ code: 5 })
    const { stderr } = await activate('dry-run', '--save', 'plan.json', ...march)
    expect(stderr).toContain('`activate run --plan plan.json --yes`')
    for (const command of ['status', 'history'])
      expect((await activate(command)).stdout).toContain('A4012: held: the model has 4 rows, fewer than min_rows 100')
  })

  test('dry-run masks people unless told otherwise, and sends nothing', async () => {
    const masked = await activate('dry-run', '--json', ...march)
    const open = await activate('dry-run', '--json', '--show-pii', ...march)
    expect([
      masked.code,
      masked.stdout.includes('amelia@example.com'),
      open.stdout.includes('amelia@example.com'),
    ]).toEqual([0, false, true])
    expect(plansOf(masked.json())[0]).toMatchObject({ sync: 'lapsing', changes: { enter: 4 }, decisions: { send: 4 } })
    expect((await activate('history')).stdout).toBe('no runs yet\n')
  })

  test('dry-run --exit-code tells whether there is something to do', async () => {
    expect(await activate('dry-run', '--exit-code', ...march)).toMatchObject({ code: 2 })
    expect(await activate('run', ...march)).toMatchObject({ code: 0 })
    expect(await activate('dry-run', '--exit-code', ...march)).toMatchObject({ code: 0 })
  })

  test('a run is told in history, status and the story of each person', async () => {
    const { code, json } = await activate('run', '--json', ...march)
    const [run] = runsOf(json())
    expect([code, run?.status, run?.outcomes]).toEqual([
      0,
      'succeeded',
      { acked: 4, rejected: 0, parked: 0, pending: 0 },
    ])

    const history = (await activate('history', '--json')).json()
    expect(history.runs).toMatchObject([
      { run_id: run?.run_id, status: 'succeeded', as_of: '2026-03-01T02:00:00.000Z' },
    ])

    const status = (await activate('status', '--json')).json()
    expect(status.syncs).toMatchObject([{ sync: 'lapsing', rejected: 0, parked: 0, last_run: { run_id: run?.run_id } }])

    const story = await activate('inspect', 'C003')
    expect(story.stdout).toContain('2026-03-01 02:00Z  lapsing  + enter: sent, acknowledged')
    expect(story.stdout).not.toContain('chidi@example.com')
    expect((await activate('inspect', 'nobody')).stdout).toContain('nothing ever happened to this key')
  })

  test('exactly the saved plan is executed, and a stale one is refused', async () => {
    expect(await activate('dry-run', '--save', 'plan.json', '--quiet', ...march)).toMatchObject({ code: 0, stderr: '' })
    await edit('data/customers.csv', text => text.replace('Chidi', 'Chidi-Anne'))
    const stale = await activate('run', '--plan', 'plan.json', '--json')
    expect([stale.code, runsOf(stale.json())[0]?.problems?.[0]?.code]).toEqual([1, 'A4010'])

    await activate('dry-run', '--save', 'plan.json', ...march)
    const fresh = await activate('run', '--plan', 'plan.json', '--json')
    expect([fresh.code, runsOf(fresh.json())[0]?.outcomes.acked]).toEqual([0, 4])
  })

  test('a file that is not a plan is refused', async () => {
    await writeFile(join(folder(), 'plan.json'), '{"schema":"activate.plan/2"}')
    expect((await activate('run', '--plan', 'plan.json')).stderr).toMatch(/^error\[A8008\]/)
    expect(await activate('run', '--plan', 'missing.json')).toMatchObject({ code: 7 })
  })

  test('an empty model is held, said with its exit code, and sent with --yes', async () => {
    await activate('run', ...march)
    await edit('data/customers.csv', text => `${text.split('\n')[0]}\n`)
    const held = await activate('run', ...march)
    expect(held.code).toBe(5)
    expect(held.stdout).toMatch(/lapsing +held/)
    expect(await activate('run', '--yes', ...march)).toMatchObject({ code: 0 })
  })

  test.each([
    ['--as-of', 'tomorrow', 'A8004'],
    ['--limit', '0', 'A8003'],
    ['--select', 'nobody', 'A1180'],
  ])('%s %s is refused', async (option, value, code) => {
    const { code: exit, stderr } = await activate('run', option, value)
    expect([exit, stderr.includes(`error[${code}]`)]).toEqual([7, true])
  })
})

test('seed loads the CSV sources and counts their rows', async () => {
  const { code, json } = await activate('seed', '--json')
  expect([code, json().seeds]).toMatchObject([0, [{ source: 'customers', rows: 5 }]])
})

test('doctor tries every part and names what is wrong', async () => {
  expect(await activate('doctor')).toMatchObject({ code: 0 })
  await edit('activate.yml', text =>
    text.replace(
      'destinations:',
      `destinations:\n  hook:\n    type: http\n    base_url: "http://127.0.0.1:1"\n    allow_private_network: true\n    headers: { authorization: "Bearer \${env:HOOK_TOKEN}" }\n    actions: { send: { method: POST, path: /x, idempotency: natural } }`,
    ),
  )
  const { code, json } = await activate('doctor', '--json')
  const failing = (json().checks as { check: string; status: string }[]).filter(({ status }) => status === 'fail')
  expect([code, failing.map(({ check }) => check)]).toEqual([1, ['secret env:HOOK_TOKEN', 'destination hook']])
})
