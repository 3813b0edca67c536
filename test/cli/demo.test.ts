import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkOutcome } from '../../src/cli/demo.ts'
import type { RunSummary } from '../../src/run.ts'
import { shell, temporaryFolder } from './activate.ts'

const folder = temporaryFolder()
const activate = shell(folder)

test('leaves a project in which everything can be looked at afterwards', async () => {
  const demo = await activate('demo', '--dir', 'demo', '--nights', '1', '--customers', '400', '--json', '--quiet')
  expect([demo.code, demo.stderr]).toEqual([0, ''])
  const report = demo.json() as {
    interesting: string
    lastNight: string
    checks: { ok: boolean }[]
    programmes: { sync: string; acked: number }[]
    sandbox: { counts: { contacts: number; tasks: number } }
  }
  expect(report.checks.every(check => check.ok)).toBe(true)
  expect(report.sandbox.counts.contacts).toBeGreaterThan(0)
  const tasks = report.programmes.find(({ sync }) => sync === 'hot_lead_task')
  expect(report.sandbox.counts.tasks).toBe(tasks?.acked)

  const story = (await activate('-C', 'demo', 'inspect', report.interesting, '--json')).json()
  expect(story.events).not.toEqual([])
  const history = (await activate('-C', 'demo', 'history', '--json')).json()
  expect(history.runs).toHaveLength(report.programmes.length)
  expect(
    (await activate('-C', 'demo', 'dry-run', '--as-of', report.lastNight, '--select', 'ltv_tier', '--exit-code')).code,
  ).toBe(0)
})

test('does not write into a folder that has something in it', async () => {
  await mkdir(join(folder(), 'mine'))
  await writeFile(join(folder(), 'mine', 'activate.yml'), 'name: mine\n')
  const { code, stderr } = await activate('demo', '--dir', 'mine')
  expect([code, stderr.startsWith('error[A8005]')]).toEqual([7, true])
})

describe('the checks at the end', () => {
  const project = {
    destinations: [{ name: 'messaging', type: 'messaging' }],
    syncs: [{ name: 'mail', destination: 'messaging' }],
  } as unknown as Parameters<typeof checkOutcome>[0]
  const run: RunSummary = {
    ...{ sync: 'mail', run_id: 'r', status: 'succeeded', requests: 3, retries: 0 },
    outcomes: { acked: 3, rejected: 0, parked: 0, pending: 0 },
    ...{ started_at: '', finished_at: '' },
  }
  const outcome = (
    change: Partial<RunSummary>,
    counts: { duplicates: number; emails: number; sms: number },
    left: number,
  ) =>
    checkOutcome(project, [{ date: '', title: '', runs: [{ ...run, ...change }] }], counts, left).map(check => check.ok)

  test('pass when all that was acknowledged arrived once', () => {
    expect(outcome({}, { duplicates: 0, emails: 2, sms: 1 }, 0)).toEqual([true, true, true, true])
  })

  test.each([
    ['a failed run', { status: 'failed' }, { duplicates: 0, emails: 3, sms: 0 }, 0, [false, true, true, true]],
    ['a duplicate', {}, { duplicates: 1, emails: 3, sms: 0 }, 0, [true, false, true, true]],
    ['a message too few', {}, { duplicates: 0, emails: 2, sms: 0 }, 0, [true, true, false, true]],
    ['a message too many', {}, { duplicates: 0, emails: 4, sms: 0 }, 0, [true, true, false, true]],
    ['something left to send', {}, { duplicates: 0, emails: 3, sms: 0 }, 1, [true, true, true, false]],
  ] as const)('notice %s', (_, change, counts, left, expected) => {
    expect(outcome(change, counts, left)).toEqual(expected)
  })
})
