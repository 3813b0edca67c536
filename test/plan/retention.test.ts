import { describe, expect, test } from 'vitest'
import { cutoffsOf, needOf } from '../../src/plan/retention.ts'
import type { Cap, Holdout, Policies } from '../../src/project/policies.ts'
import type { Project, Sync } from '../../src/project/project.ts'

const day = 86_400_000
const policies = (more: Partial<Policies> = {}): Policies => ({ suppression: [], caps: [], holdouts: [], ...more })
const cap = { name: 'email', channel: 'email', max: 1, per: 30 * day } as Cap
const holdout = { name: 'global', appliesTo: 'communications' } as Holdout
const sync = (more: Partial<Sync>): Sync => ({ name: 's', mode: 'upsert', ...more }) as Sync
const mail = (reentry: 'never' | 'always' | { after: number }) =>
  sync({ name: 'mail', mode: 'trigger', channel: 'email', trigger: { on: 'enter', reentry, firstRun: 'send' } })

describe('deliveries are needed', () => {
  test.each([
    ['not by a data sync', sync({}), policies({ caps: [cap], holdouts: [holdout] }), 0],
    ['as long as a cap counts them', mail('always'), policies({ caps: [cap] }), 30 * day],
    ['as long as re-entry looks back', mail({ after: 300 * day }), policies({ caps: [cap] }), 300 * day],
    ['for good where nobody may be sent to again', mail('never'), policies(), Number.POSITIVE_INFINITY],
    ['for good by a holdout', mail('always'), policies({ holdouts: [holdout] }), Number.POSITIVE_INFINITY],
    ['not by a cap of another channel', mail('always'), policies({ caps: [{ ...cap, channel: 'sms' }] }), 0],
  ] as const)('%s', (_, given, with_, age) => {
    expect(needOf(given, { policies: with_ }).age).toBe(age)
  })
})

test('what is asked for is raised to what is needed, and the difference is told', () => {
  const project = {
    policies: policies({ caps: [cap] }),
    syncs: [sync({ name: 'crm' }), mail('always'), { ...mail('never'), name: 'once' }],
    retention: { deadLetters: 1, erasures: 1, deliveries: 10 * day, decisions: 5 * day },
  } as unknown as Project
  const now = 1_000 * day
  const cutoffs = cutoffsOf(project, now)
  expect(cutoffs).toMatchObject({ decisions: now - 5 * day, otherDeliveries: now - 30 * day })
  expect([...cutoffs.deliveries]).toEqual([
    ['crm', now - 10 * day],
    ['mail', now - 30 * day],
  ])
  expect(cutoffs.notes).toEqual([
    'deliveries of mail are kept for 30d: cap email needs them',
    'deliveries of once are kept for good: reentry needs them',
  ])
  expect(cutoffs).not.toHaveProperty('samples')
})
