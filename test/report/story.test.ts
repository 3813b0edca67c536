import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { canonicalKey } from '../../src/cli/commands/inspect.ts'
import { maskStory, renderStory } from '../../src/cli/render/story.ts'
import { assembleStory, tableStatement } from '../../src/report/story.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'

const decision = { sync: 'ltv', key: 'C1', op: 'enter', decision: 'send', reason: null }

const story = assembleStory({
  key: 'C1',
  keys: [
    { value: 'C1', entity: 'C1' },
    { value: 'C7', entity: 'C1' },
  ],
  history: [{ as_of: '2026-03-02T02:00:00Z', event: 'merged', entity: 'C1', other: 'C7' }],
  tables: {
    decisions: [
      { ...decision, run_id: 'r2', op: 'change', change_id: 'b', outcome: 'rejected', as_of: '2026-03-02T02:00:00Z' },
      { ...decision, run_id: 'r1', change_id: 'a', outcome: 'acked', as_of: '2026-03-01T02:00:00Z' },
      {
        ...decision,
        run_id: 'r3',
        op: 'change',
        decision: 'blocked',
        reason: 'rejection.not_due',
        change_id: null,
        outcome: null,
        as_of: '2026-03-03T02:00:00Z',
      },
    ],
    deliveries: [{ change_id: 'a', channel: 'email', delivered_at: '2026-03-01T02:00:09Z' }],
    rejections: [
      {
        sync: 'ltv',
        run_id: 'r2',
        error_class: 'invalid',
        message: 'not an address',
        next_attempt_at: '2026-03-09T02:00:00Z',
      },
    ],
    ineligible: [
      {
        sync: 'win_back',
        key: 'C1',
        reason: 'consent.missing',
        since: '2026-03-01T02:00:00Z',
        until: '2026-03-02T02:00:00Z',
      },
    ],
    exposures: [
      {
        ...{ sync: 'win_back', key: 'C1', holdout: 'global', epoch: '2026H1', arm: 'withheld' },
        triggered_at: '2026-03-02T02:00:00Z',
        payload: '{"to":"ann@example.com"}',
      },
    ],
  },
  snapshots: {
    ltv: [
      {
        key: 'C1',
        standing: 'member',
        episode: 1,
        version: 1,
        changed_at: '2026-03-01T02:00:00Z',
        payload: '{"email":"ann@example.com","tier":"gold"}',
      },
    ],
    other: [],
  },
  reports: [],
  exceptions: [{ changeId: 'b', code: 'invalid', message: 'not an address' }],
})

test('a story is told oldest first, each decision with its delivery and what the destination answered', () => {
  expect(story.events.map(event => [event.run_id, event.outcome, event.channel, event.error?.code ?? null])).toEqual([
    ['r1', 'acked', 'email', null],
    ['r2', 'rejected', null, 'invalid'],
    ['r3', null, null, null],
  ])
  expect(story.standings).toHaveLength(1)
})

test('it reads as sentences, with personal data masked', () => {
  expect(renderStory(maskStory(story), picocolors.createColors(false))).toBe(`C1
  is one person with C7, known as C1
  2026-03-02 02:00Z  merged with C7
  ltv is in since 2026-03-01 02:00Z (entered once, 1 acknowledged)
      email  "a***@example.com"
      tier   "gold"
  win_back could not take part from 2026-03-01 02:00Z to 2026-03-02 02:00Z because consent.missing
  win_back withheld by holdout global, epoch 2026H1 since 2026-03-02 02:00Z
    what would have been sent
      to  "a***@example.com"
  ltv was refused, not tried again until 2026-03-09 02:00Z or the row changes: invalid: not an address

what happened
  2026-03-01 02:00Z  ltv  + enter: sent, acknowledged
  2026-03-02 02:00Z  ltv  ~ change: sent, rejected (invalid: not an address)
  2026-03-03 02:00Z  ltv  ~ change: blocked because rejection.not_due`)
})

test('the key is bound, never spliced', () => {
  const { sql, params } = tableStatement(duckdbDialect, ['activate'], 'decisions', `' or 1=1 --`)
  const statement = 'select * from "activate"."decisions" where key = $1 or person = $2'
  expect([sql, params]).toEqual([statement, [`' or 1=1 --`, `' or 1=1 --`]])
})

test.each([
  ['C1', 'C1'],
  ['["A7", "2026-03"]', '["A7","2026-03"]'],
  ['[1, "x"]', '["1","x"]'],
  ['[not json', '[not json'],
])('the key %j is read as %j', (written, key) => {
  expect(canonicalKey(written)).toBe(key)
})
