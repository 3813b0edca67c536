import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderPlan, summarisePlans } from '../../../src/cli/render/plan.ts'
import { renderRunProblems, renderRuns } from '../../../src/cli/render/run.ts'
import type { Plan } from '../../../src/plan/plan.ts'
import type { RunSummary } from '../../../src/run.ts'

const plain = picocolors.createColors(false)

const plan: Plan = {
  sync: 'at_risk_to_crm',
  plan_hash: 'ab12',
  config_hash: 'cd34',
  model: 'at_risk',
  destination: 'crm',
  action: 'upsert_contacts',
  mode: 'mirror',
  rows: { model: 4210, quarantined: 0, ineligible: 12, population: 4198, unchanged: 4128 },
  changes: { enter: 50, change: 20, leave: 8 },
  decisions: { send: 70, withhold: 0, defer: 0, skip: 0, blocked: 8 },
  reasons: { 'consent.denied': 12, 'rejection.not_due': 8 },
  requests: 1,
  seconds_at_limit: 75,
  guard: { verdict: 'pass', reasons: [] },
  approval: { needed: false },
  samples: [
    { key: 'C1', op: 'enter', decision: 'send', before: null, after: { email: 'a***@example.com', score: null } },
    { key: 'C2', op: 'change', decision: 'send', before: { stage: 'active', n: 1 }, after: { stage: 'at-risk', n: 1 } },
    {
      key: 'C3\u001b[2J',
      op: 'leave',
      decision: 'blocked',
      reason: 'rejection.not_due',
      before: { n: 2 },
      after: null,
    },
  ],
  ineligible: [],
  warnings: ['the mapping changed: every row is sent again'],
}

test('a plan shows its counts, reasons, cost, verdict, warnings and samples', () => {
  expect(renderPlan(plan, plain)).toBe(`at_risk_to_crm  at_risk → crm.upsert_contacts, mirror
  rows      4,210 in the model, 12 ineligible, 4,198 in the population, 4,128 unchanged
  + enter   50
  ~ change  20
  - leave   8
  send      70
  blocked   8
  because   12 consent.denied
            8 rejection.not_due
  requests  1, 1 min 15 s at the rate limit
  guard     pass
  warning   the mapping changed: every row is sent again
  + C1  send
      email  "a***@example.com"
      score  null
  ~ C2  send
      stage  "active" → "at-risk"
  - C3  blocked, rejection.not_due
      n  2`)
})

test('a quiet night says that there is nothing to change', () => {
  const quiet: Plan = {
    ...plan,
    rows: { model: 10, quarantined: 0, ineligible: 0, population: 10, unchanged: 10 },
    changes: { enter: 0, change: 0, leave: 0 },
    decisions: { send: 0, withhold: 0, defer: 0, skip: 0, blocked: 0 },
    ...{ reasons: {}, requests: 0, seconds_at_limit: 0, samples: [], warnings: [] },
  }
  expect(renderPlan(quiet, plain)).toBe(`at_risk_to_crm  at_risk → crm.upsert_contacts, mirror
  rows      10 in the model, 10 in the population, 10 unchanged
  changes   none
  guard     pass`)
})

test('a plan that needs approval says why, and its whole hash, until somebody has given it', () => {
  const guard = { verdict: 'hold', reasons: ['the model is empty'] } as const
  const awaiting: Plan = { ...plan, guard, approval: { needed: true, because: 'every plan does' } }
  const shown = renderPlan(awaiting, plain)
  expect(shown).toContain('  guard     hold: nothing would be sent without an approval\n')
  expect(shown).toContain(`  approval  needed: every plan does\n            the plan is ${plan.plan_hash}\n`)
  expect(summarisePlans([awaiting])).toContain('1 sync awaiting approval. Nothing')
  const given: Plan = { ...awaiting, approval: { ...awaiting.approval, by: 'ada', at: '2026-03-01T02:00:00.000Z' } }
  expect(renderPlan(given, plain)).toContain('  guard     hold: but the plan is approved\n')
  expect(renderPlan(given, plain)).toContain('  approval  given by ada, 2026-03-01T02:00:00.000Z\n')
  expect(summarisePlans([given])).not.toMatch(/held|awaiting/)
})

test('a held plan gives the reasons of its guard', () => {
  const held: Plan = { ...plan, guard: { verdict: 'hold', reasons: ['the model is empty'] } }
  expect(renderPlan(held, plain)).toContain(
    '  guard     hold: nothing would be sent without --yes or an approval\n            the model is empty\n',
  )
})

test('the summary adds all plans up', () => {
  expect(summarisePlans([plan, { ...plan, guard: { verdict: 'hold', reasons: [] } }])).toBe(
    '2 plans: 140 changes to send, 16 blocked, 1 sync held by a guard. Nothing was sent.',
  )
})

test('a run is a line per sync, and what went wrong is told apart from it', () => {
  const run = {
    run_id: 'r1',
    outcomes: { acked: 1200, rejected: 1, parked: 0, pending: 0 },
    requests: 12,
    retries: 3,
    started_at: '2026-03-01T02:00:00.000Z',
    finished_at: '2026-03-01T02:00:04.250Z',
  }
  const runs: readonly RunSummary[] = [
    { ...run, sync: 'ltv', status: 'succeeded' },
    { ...run, sync: 'at_risk', status: 'failed', problems: [{ code: 'A6001', message: 'refused' }] },
  ]
  expect(renderRuns(runs, plain)).toBe(`sync     status     acked  rejected  parked  pending  requests  retries   took
ltv      succeeded  1,200         1       0        0        12        3  4.3 s
at_risk  failed     1,200         1       0        0        12        3  4.3 s`)
  expect(renderRunProblems(runs, plain)).toBe('error[A6001]: at_risk: refused\n  = help: `activate explain A6001`')
})
