import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { shell, temporaryFolder } from './activate.ts'

const folder = temporaryFolder()
const activate = shell(folder, { ACTIVATE_USER: 'ada' })

beforeEach(async () => {
  expect(await activate('init', '.', '--quiet')).toMatchObject({ code: 0 })
})

const path = (file: string) => join(folder(), file)
const edit = async (file: string, from: string, to: string) => {
  const text = await readFile(path(file), 'utf8')
  expect(text).toContain(from)
  await writeFile(path(file), text.replace(from, to))
}
const sync = (more: string) => appendFile(path('syncs/lapsing.yml'), more)
const customer = (id: string) => appendFile(path('data/customers.csv'), `${id},${id}@example.com,Zoe,2025-01-01,1.00\n`)

const morning = '2026-03-01T08:00'
const noon = '2026-03-01T12:00'
const run = (asOf: string, ...more: readonly string[]) => activate('run', '--json', '--as-of', asOf, ...more)
const runOf = (json: Record<string, unknown>) => (json as unknown as RunDocument).runs[0]
const planAt = async (asOf: string) =>
  ((await activate('dry-run', '--json', '--as-of', asOf)).json() as unknown as PlanDocument).plans[0]
const sent = () => readdir(path('out/lapsing')).catch(() => [])
const approve = (...more: readonly string[]) => activate('approve', '--reason', 'reviewed', ...more)
const trail = async () =>
  (await activate('audit', '--json')).json().entries as {
    action: string
    by: string
    subject: string
    detail: unknown
  }[]

describe('a plan that a guard holds', () => {
  beforeEach(() => sync('guard: { max_first_run: 3 }\n'))

  test('is told by status, approved, sent by the next run, and held again when the data has changed', async () => {
    const held = await run(morning)
    expect([held.code, runOf(held.json())]).toMatchObject([5, { status: 'held', problems: [{ code: 'A4012' }] }])
    expect((await activate('status')).stdout).toContain(
      'more than max_first_run 3; activate approve lapsing lets it pass',
    )
    const [status] = (await activate('status', '--json')).json().syncs as Record<string, unknown>[]
    expect(status?.awaits_approval).toMatchObject({ plan_hash: runOf(held.json())?.plan?.plan_hash, send: 4 })

    const approved = await approve('lapsing')
    expect(approved).toMatchObject({ code: 0, stdout: expect.stringContaining('of lapsing, by ada') })
    expect(approved.stderr).toContain('4 of 4 changes: 4 enter')
    expect(approved.stderr).toContain('4 sends of a first run are more than max_first_run 3')
    expect((await activate('status', '--json')).json().syncs).toMatchObject([{ awaits_approval: null }])

    await customer('C900')
    expect((await run(noon)).code).toBe(5)
    expect(await sent()).toEqual([])
    expect(await approve()).toMatchObject({ code: 0 })
    expect(runOf((await run(noon)).json())).toMatchObject({ status: 'succeeded', outcomes: { acked: 5 } })
    expect(await approve()).toMatchObject({ code: 1, stderr: expect.stringContaining('no plan is held') })
    expect((await trail()).map(({ action }) => action)).toEqual(['approve', 'held', 'approve', 'held'])
  })

  test('passes with --yes, which the trail remembers', async () => {
    expect(await run(morning, '--yes')).toMatchObject({ code: 0 })
    expect(await trail()).toMatchObject([
      { action: 'override', by: 'ada', subject: 'sync:lapsing', detail: { send: 4, guard: [expect.any(String)] } },
    ])
    expect(await run(noon, '--yes')).toMatchObject({ code: 0 })
    expect(await trail()).toHaveLength(1)
  })
})

describe('a sync that requires approval', () => {
  const always = () => sync('require_approval: always\n')

  test('is held, by --yes and by a saved plan too, until exactly this plan is approved', async () => {
    await always()
    expect(await activate('dry-run', '--save', 'plan.json', '--as-of', morning)).toMatchObject({
      stdout: expect.stringContaining('approval  needed: every plan of this sync needs approval'),
    })
    for (const more of [[], ['--yes'], ['--plan', 'plan.json', '--yes']]) {
      const { code, json } = await run(morning, ...more)
      expect([code, runOf(json())?.problems?.map(problem => problem.code)]).toEqual([5, ['A4011']])
    }
    expect(await sent()).toEqual([])
    expect(await approve()).toMatchObject({ code: 0 })
    const plan = await planAt(morning)
    expect(plan?.approval).toMatchObject({ needed: true, by: 'ada', at: expect.stringMatching(/Z$/) })
    expect(await run(morning, '--plan', 'plan.json')).toMatchObject({ code: 0 })
    expect(await sent()).toHaveLength(1)
  })

  test('may be approved before the night, by the hash that a dry run shows', async () => {
    await always()
    const hash = (await planAt(morning))?.plan_hash ?? ''
    expect(await approve('--plan', hash)).toMatchObject({ code: 1 })
    expect(await approve('lapsing', '--plan', hash.slice(0, 20))).toMatchObject({ code: 1 })
    expect(await approve('lapsing', '--plan', hash)).toMatchObject({ code: 0 })
    expect(await run(noon)).toMatchObject({ code: 0 })
  })

  test.each<readonly [string, () => Promise<unknown>]>([
    ['data', () => customer('C900')],
    ['SQL', () => edit('models/lapsing_customers.sql', 'spent\nfrom', 'spent * 1 as spent\nfrom')],
    ['a variable', () => edit('activate.yml', 'lapsing_after_days: 60', 'lapsing_after_days: 61')],
    ['the mapping', () => edit('syncs/lapsing.yml', 'value: lapsing', 'value: lapsed')],
    [
      'a policy',
      () => appendFile(path('activate.yml'), 'policies: { caps: [{ name: a, channel: email, max: 1, per: 1d }] }\n'),
    ],
    ['the destination', () => edit('activate.yml', 'path: out/lapsing', 'path: out/elsewhere')],
  ])('keeps its approval at a later hour, and loses it when %s changes', async (_what, change) => {
    await always()
    await run(morning)
    expect(await approve('lapsing')).toMatchObject({ code: 0 })
    expect(await planAt(noon)).toMatchObject({ approval: { needed: true, by: 'ada' } })
    await change()
    const plan = await planAt(noon)
    expect(plan?.approval).toEqual({ needed: true, because: 'every plan of this sync needs approval' })
    expect((await run(noon)).code).toBe(5)
    expect(await sent()).toEqual([])
  })

  test('on change asks at the first run, not on ordinary nights, and again when the configuration changes', async () => {
    await sync('require_approval: on_change\n')
    expect((await run(morning)).code).toBe(5)
    expect((await approve()).stderr).toContain('no run has gone by it yet')
    expect(await run(morning)).toMatchObject({ code: 0 })
    await customer('C900')
    expect(runOf((await run(noon)).json())).toMatchObject({ status: 'succeeded', outcomes: { acked: 1 } })
    await edit('syncs/lapsing.yml', 'value: lapsing', 'value: lapsed')
    expect(runOf((await run(noon)).json())).toMatchObject({ status: 'held' })
    expect((await approve()).stderr).toContain('changed since the last run')
    expect(await run(noon)).toMatchObject({ code: 0 })
  })

  test('lets only its owners approve', async () => {
    await always()
    await sync('owners: [grace@example.com, ada@example.com]\n')
    await run(morning)
    const { code, stderr } = await approve()
    expect([code, stderr]).toEqual([1, expect.stringContaining('error[A4044]: ada is not an owner of lapsing')])
    expect(stderr).toContain('owners: grace@example.com, ada@example.com')
    expect((await run(morning)).code).toBe(5)
    expect(await approve('--by', 'Grace@example.com')).toMatchObject({ code: 0 })
    expect((await run(morning)).code).toBe(0)
  })

  test('finds a held plan by the beginning of its hash, and refuses one that is no beginning', async () => {
    await always()
    const hash = runOf((await run(morning)).json())?.plan?.plan_hash ?? ''
    await run(morning)
    expect(await approve('--plan', hash.slice(0, 8).toUpperCase())).toMatchObject({ code: 0 })
    expect(await approve('--plan', 'nonsense')).toMatchObject({ code: 1, stderr: expect.stringContaining('A8012') })
    expect(await approve('lapsin')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('did you mean "lapsing"?'),
    })
    expect(await activate('approve', 'lapsing')).toMatchObject({ code: 7, stderr: expect.stringContaining('--reason') })
  })
})

describe('a hold', () => {
  const why = ['--reason', 'the CRM is being moved']

  test.each([
    ['a sync', ['lapsing']],
    ['a destination', ['--destination', 'files']],
    ['everything', ['--all']],
  ])('on %s keeps a run from starting, and its release lets it go on', async (_what, target) => {
    expect(await activate('hold', ...target, ...why)).toMatchObject({ code: 0 })
    expect((await activate('hold', ...target, ...why)).stdout).toContain('(as before)')
    const { code, json } = await run(morning)
    expect([code, runOf(json())]).toMatchObject([
      5,
      {
        status: 'held',
        problems: [{ code: 'A4013', message: expect.stringContaining('by ada: the CRM is being moved') }],
      },
    ])
    expect(await sent()).toEqual([])
    expect(await readdir(path('.activate'))).not.toContain('warehouse.duckdb')
    expect((await planAt(morning))?.warnings).toEqual([expect.stringContaining('a run sends nothing')])
    expect((await activate('status')).stdout).toContain('on hold since')
    expect(await activate('doctor')).toMatchObject({ stdout: expect.stringMatching(/hold +warn +.* is on hold since/) })

    expect(await activate('release', ...target, ...why)).toMatchObject({ code: 0 })
    expect((await activate('release', ...target, ...why)).stdout).toContain('was not on hold')
    expect((await run(morning)).code).toBe(0)
    expect((await trail()).map(({ action }) => action)).toEqual(['release', 'hold'])
  })

  test('needs one target that exists, and a reason', async () => {
    const hold = (...more: readonly string[]) => activate('hold', ...more)
    expect((await hold(...why)).stderr).toContain('name one sync, or give --destination NAME, or --all')
    expect((await hold('lapsing', '--all', ...why)).stderr).toContain('more than one thing was named')
    expect((await hold('lapsng', ...why)).stderr).toContain('did you mean "lapsing"?')
    expect((await hold('--destination', 'fils', ...why)).stderr).toContain('did you mean "files"?')
    expect(await hold('lapsing')).toMatchObject({ code: 7, stderr: expect.stringContaining('--reason is missing') })
    expect(await trail()).toEqual([])
  })

  test('of a sync that the project no longer has can be released', async () => {
    await activate('hold', 'lapsing', ...why)
    await writeFile(path('syncs/other.yml'), await readFile(path('syncs/lapsing.yml'), 'utf8'))
    await rm(path('syncs/lapsing.yml'))
    expect(await activate('release', 'lapsing', ...why)).toMatchObject({ code: 0 })
    expect(await activate('release', 'lapsing', ...why)).toMatchObject({ code: 7 })
  })
})

describe('the audit trail', () => {
  test('is checked by doctor, which says where it was tampered with', async () => {
    for (const action of ['hold', 'release', 'hold']) await activate(action, 'lapsing', '--reason', action)
    expect(await activate('doctor')).toMatchObject({
      stdout: expect.stringMatching(/audit trail +ok +3 entries, head [0-9a-f]{64}/),
    })
    const ledger = new Sqlite(path('.activate/ledger.db'))
    ledger.exec("drop trigger audit_refuses_update; update audit set actor = 'eve' where ordinal = 2")
    ledger.close()
    const { code, stdout } = await activate('doctor')
    expect([code, stdout]).toEqual([
      1,
      expect.stringMatching(/audit trail +fail +A5010: broken at entry 2: it was changed/),
    ])
  })

  test('is listed newest first, as many as are asked for', async () => {
    expect((await activate('audit')).stdout).toBe('nothing is in the trail yet\n')
    await activate('hold', 'lapsing', '--reason', 'look first', '--by', 'bob')
    await activate('release', 'lapsing', '--reason', 'looked')
    const { stdout } = await activate('audit', '--limit', '1')
    expect(stdout).toMatch(/2 .* ada +release +sync:lapsing +looked/)
    expect(stdout).not.toContain('look first')
    expect((await activate('audit')).stdout).toMatch(/1 .* bob +hold +sync:lapsing +look first/)
  })
})
