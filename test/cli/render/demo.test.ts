import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderHeading, renderNight } from '../../../src/cli/render/demo.ts'
import type { Plan } from '../../../src/plan/plan.ts'
import type { RunSummary } from '../../../src/run.ts'
import { demoNights } from '../../../src/sandbox/demo-nights.ts'

const plain = picocolors.createColors(false)

const run = (sync: string, change: Partial<RunSummary>, reasons: Plan['reasons'] = {}): RunSummary => ({
  ...{ sync, run_id: 'r', status: 'succeeded', requests: 0, retries: 0, started_at: '', finished_at: '' },
  outcomes: { acked: 0, rejected: 0, parked: 0, pending: 0 },
  plan: { warnings: [], reasons } as unknown as Plan,
  ...change,
})

test('a night tells what went out, who had nothing to say, and why people were left out', () => {
  const outcomes = { acked: 1200, rejected: 1, parked: 2, pending: 3 }
  const text = renderNight(
    [
      run(
        'renewals',
        { status: 'partial', outcomes, requests: 9, retries: 1 },
        { 'consent.denied': 12, 'mode.left_alone': 5 },
      ),
      run('win_back', {}, { 'consent.denied': 3, 'holdout.global': 4 }),
      run('lost', { status: 'failed' }),
    ],
    plain,
  )
  expect(text).toBe(
    [
      'sync      status   acked  rejected  open  requests  retries',
      'renewals  partial  1,200         1     5         9        1',
      'lost      failed       0         0     0         0        0',
      'nothing to send: win_back',
      'left out: 15 consent.denied, 4 holdout.global',
    ].join('\n'),
  )
})

test('headings and lists fit into 80 columns', () => {
  const names = Array.from({ length: 30 }, (_, index) => `sync_number_${index}`)
  const texts = [
    ...demoNights().map(night => renderHeading(night, plain)),
    renderNight(
      names.map(name => run(name, {}, { [`cap.${name}`]: 1 })),
      plain,
    ),
  ]
  for (const line of texts.flatMap(text => text.split('\n'))) expect(line.length, line).toBeLessThanOrEqual(80)
  for (const name of names) expect(texts.at(-1)).toContain(name)
})
