import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type GuardInput, judge } from '../../src/plan/guard.ts'
import type { GuardSettings, Sync } from '../../src/project/project.ts'

const quiet: GuardInput = {
  rows: { model: 100, quarantined: 0, ineligible: 0, population: 100, unchanged: 100 },
  changes: { enter: 0, change: 0, leave: 0 },
  decisions: { send: 0, withhold: 0, defer: 0, skip: 0, blocked: 0 },
  ...{ snapshotRows: 100, firstRun: false, lastModelRows: 100, mappingChanged: false },
}

const night = (more: Partial<GuardInput>): GuardInput => ({ ...quiet, ...more })
const entering = (count: number, more: Partial<GuardInput> = {}) =>
  night({ changes: { enter: count, change: 0, leave: 0 }, decisions: { ...quiet.decisions, send: count }, ...more })
const rows = (model: number) => ({ ...quiet.rows, model, population: model })

function reasons(guard: Partial<GuardSettings>, input: GuardInput, mode: Sync['mode'] = 'mirror'): readonly string[] {
  const verdict = judge({ mode, guard: { minRows: 1, mappingChange: 'pass', ...guard } }, input)
  expect(verdict.verdict).toBe(verdict.reasons.length === 0 ? 'pass' : 'hold')
  return verdict.reasons
}

test('lets an ordinary night pass', () => {
  expect(reasons({}, quiet)).toEqual([])
})

describe('max_enters', () => {
  test('is a share of the snapshot, or a number', () => {
    expect(reasons({ maxEnters: { share: 0.1 } }, entering(10))).toEqual([])
    expect(reasons({ maxEnters: { share: 0.1 } }, entering(11))).toEqual([
      "11 enters are 11% of the snapshot's 100 rows, more than max_enters 10%",
    ])
    expect(reasons({ maxEnters: { count: 5 } }, entering(5))).toEqual([])
    expect(reasons({ maxEnters: { count: 5 } }, entering(6))).toEqual(['6 enters are more than max_enters 5'])
  })

  test('is not asked where the mode leaves those who enter alone', () => {
    expect(reasons({ maxEnters: { count: 5 } }, entering(6), 'update')).toEqual([])
  })

  test('is not asked of a baseline, which only remembers who is there', () => {
    const baseline = entering(6, { firstRun: true, snapshotRows: 0, decisions: { ...quiet.decisions, skip: 6 } })
    expect(reasons({ maxEnters: { count: 5 } }, baseline)).toEqual([])
  })
})

describe('max_shrink', () => {
  test('compares the model with that of the last run', () => {
    expect(reasons({ maxShrink: 0.3 }, night({ rows: rows(70) }))).toEqual([])
    expect(reasons({ maxShrink: 0.3 }, night({ rows: rows(69) }))).toEqual([
      'the model has 69 rows, 31% fewer than the 100 of the last run, more than max_shrink 30%',
    ])
    expect(reasons({ maxShrink: 0.3 }, night({ rows: rows(500) }))).toEqual([])
  })

  test('has nothing to compare with on a first run, or after a run without rows', () => {
    expect(reasons({ maxShrink: 0 }, night({ rows: rows(1), lastModelRows: undefined }))).toEqual([])
    expect(reasons({ maxShrink: 0, minRows: 0 }, night({ rows: rows(0), lastModelRows: 0 }))).toEqual([])
  })
})

describe('max_first_run', () => {
  test('counts the sends of the first run only', () => {
    const first = { firstRun: true, snapshotRows: 0, lastModelRows: undefined }
    expect(reasons({ maxFirstRun: 50 }, entering(50, first))).toEqual([])
    expect(reasons({ maxFirstRun: 50 }, entering(51, first))).toEqual([
      '51 sends of a first run are more than max_first_run 50',
    ])
    expect(reasons({ maxFirstRun: 50 }, entering(51))).toEqual([])
  })
})

describe('mapping_change', () => {
  test('holds the run after a change only where it says so', () => {
    const changed = night({ mappingChanged: true })
    expect(reasons({}, changed)).toEqual([])
    expect(reasons({ mappingChange: 'hold' }, quiet)).toEqual([])
    expect(reasons({ mappingChange: 'hold' }, changed)).toEqual([
      'the mapping, destination, action or mode changed since the last run, and mapping_change is hold',
    ])
  })
})

test('a run that the ledger has forgotten holds the next one', () => {
  expect(reasons({}, night({ lostRun: 'sync__20260301t020000_abc123' }))).toEqual([
    expect.stringMatching(/^the ledger does not know the run sync__20260301t020000_abc123/),
  ])
})

test('tells everything that it objects to at once', () => {
  const bad = entering(60, { rows: rows(3), mappingChanged: true })
  const guard: GuardSettings = {
    ...{ minRows: 5, maxShrink: 0.5, maxChanges: { count: 1 }, maxEnters: { share: 0.5 }, mappingChange: 'hold' },
  }
  expect(reasons(guard, bad)).toHaveLength(5)
})

test('a wider limit never holds what a narrower one lets pass', () =>
  fc.assert(
    fc.property(fc.nat(200), fc.nat(100), fc.nat(100), (count, one, other) => {
      const [narrow, wide] = [Math.min(one, other), Math.max(one, other)]
      fc.pre(reasons({ maxEnters: { share: narrow / 100 } }, entering(count)).length === 0)
      expect(reasons({ maxEnters: { share: wide / 100 } }, entering(count))).toEqual([])
    }),
  ))
