import { describe, expect, test } from 'vitest'
import { type ArmFigures, compareArms } from '../../src/report/comparison.ts'
import { judgeIntegrity } from '../../src/report/integrity.ts'
import type { Boundary } from '../../src/report/stats/boundary.ts'
import { type Circumstances, type Judged, verdictOn } from '../../src/report/verdict.ts'
import { withCovariate } from './stats/samples.ts'

const fixed: Boundary = { kind: 'fixed', alpha: 0.05 }
const running: Boundary = { kind: 'sequential', alpha: 0.05, plannedUnits: 20_000 }

/** An arm of which `x` of `n` people have the outcome. */
function share(arm: string, x: number, n: number): ArmFigures {
  const p = x / n
  const m2 = n * p * (1 - p)
  const nothing = { sumX: 0, mxx: 0, mxy: 0, mxxx: 0, mxxy: 0, mxyy: 0 }
  return { arm, n, nonZero: x, sum: x, m2, m3: m2 * (1 - 2 * p), ...nothing }
}

function judged(treated: ArmFigures, withheld: ArmFigures, boundary: Boundary, more: Partial<Judged> = {}): Judged {
  const [comparison] = compareArms([treated, withheld], boundary, { measure: 'share', covariate: false })
  if (comparison === undefined) throw new Error('nothing to compare')
  return { comparison, outcome: 'renewed', direction: 'up', measure: 'share', decision: undefined, ...more }
}

const day = 86_400_000
const around: Circumstances = {
  integrity: judgeIntegrity({ assignments: [], reached: 0, mixed: 0, ended: true }),
  finished: false,
  firstAt: Date.parse('2026-01-01T00:00:00Z'),
  asOf: Date.parse('2026-04-11T00:00:00Z'),
  window: 0,
  expires: undefined,
}

describe('the verdict', () => {
  test('keeps what is better, with the figures in words', () => {
    const verdict = verdictOn(judged(share('treated', 5700, 19_000), share('withheld', 200, 1000), running), [], around)
    expect(verdict).toEqual({
      ...{ arm: 'treated', advice: 'keep' },
      text: 'keep: it works. "renewed" is 30.0 % with it and 20.0 % without: +50.0 % (between +24.1 % and +83.0 %)',
    })
  })

  test('stops what is worse, also when less is good', () => {
    const more = judged(share('treated', 5700, 19_000), share('withheld', 200, 1000), fixed, { direction: 'down' })
    expect(verdictOn(more, [], around).advice).toBe('stop')
    const less = judged(share('treated', 3800, 19_000), share('withheld', 300, 1000), fixed, { direction: 'down' })
    expect(verdictOn(less, [], around).advice).toBe('keep')
  })

  test('stops what is better at the cost of a guardrail', () => {
    const primary = judged(share('treated', 5700, 19_000), share('withheld', 200, 1000), fixed)
    const complaints = judged(share('treated', 950, 19_000), share('withheld', 10, 1000), fixed, {
      ...{ outcome: 'complained', direction: 'down' },
    })
    const verdict = verdictOn(primary, [complaints], around)
    expect(verdict.advice).toBe('stop')
    expect(verdict.text).toContain('the guardrail "complained"')
  })

  test('waits for the date on which four of five such tests would be decided', () => {
    const verdict = verdictOn(judged(share('treated', 4560, 19_000), share('withheld', 220, 1000), running), [], around)
    expect(verdict.advice).toBe('wait')
    expect(verdict.text).toMatch(
      /^wait until about 202[67]-\d\d-\d\d, if the lift is what it looks like\. So far: "renewed" is 24\.0 %/,
    )
  })

  test('says when that date is after the end of the holdout, and when it will hardly come', () => {
    const soon = { ...around, expires: '2026-05-01' }
    const undecided = judged(share('treated', 4560, 19_000), share('withheld', 220, 1000), running)
    expect(verdictOn(undecided, [], soon).text).toContain('which is after the holdout ends on 2026-05-01')
    const nothing = judged(share('treated', 4180, 19_000), share('withheld', 220, 1000), running)
    expect(verdictOn(nothing, [], around).text).toContain('two more years would not decide it')
  })

  test('is unclear when it is over and could not be told', () => {
    const undecided = judged(share('treated', 4180, 19_000), share('withheld', 220, 1000), fixed)
    expect(verdictOn(undecided, [], { ...around, finished: true })).toMatchObject({ advice: 'unclear' })
  })

  test('waits for more outcomes where there are too few, at the pace at which they come', () => {
    const few = judged(share('treated', 500, 19_000), share('withheld', 10, 1000), running)
    expect(verdictOn(few, [], around).text).toBe(
      'wait until about 2026-10-28: there are 10 withheld people with "renewed", and 30 are needed before anything can be said',
    )
    expect(verdictOn(few, [], { ...around, finished: true }).advice).toBe('unclear')
  })

  test('relies on nothing when the experiment itself is broken', () => {
    const integrity = judgeIntegrity({
      assignments: [
        { share: 0.05, recorded: 'treated', drawn: 'treated', n: 19_000 },
        { share: 0.05, recorded: 'withheld', drawn: 'withheld', n: 900 },
        { share: 0.05, recorded: 'withheld', drawn: 'treated', n: 2 },
      ],
      ...{ reached: 3, mixed: 0, ended: true },
    })
    expect(integrity.alarms).toEqual([
      '2 of 19902 people are in an arm that the draw does not put them into',
      '3 communications reached people who were withheld',
    ])
    const good = judged(share('treated', 5700, 19_000), share('withheld', 200, 1000), fixed)
    expect(verdictOn(good, [], { ...around, integrity }).text).toBe(
      `do not rely on these figures: ${integrity.alarms[0]}`,
    )
  })
})

describe('the size of the arms', () => {
  test('is judged share by share, so that a share which grew is no mismatch', () => {
    const count = (share_: number, recorded: string, n: number) => ({ share: share_, recorded, drawn: recorded, n })
    const grown = [
      count(0.05, 'treated', 9500),
      count(0.05, 'withheld', 500),
      count(0.5, 'treated', 500),
      count(0.5, 'withheld', 500),
    ]
    const judgedGrown = judgeIntegrity({ assignments: grown, reached: 0, mixed: 0, ended: true })
    expect(judgedGrown).toMatchObject({ sampleRatio: { verdict: 'plausible' }, alarms: [] })
    const lost = judgeIntegrity({
      assignments: [count(0.05, 'treated', 9500), count(0.05, 'withheld', 300)],
      reached: 0,
      mixed: 0,
      ended: true,
    })
    expect(lost.sampleRatio).toMatchObject({ verdict: 'mismatch' })
  })
})

describe('the size of the arms while a holdout runs', () => {
  const running = (treated: number, withheld: number) =>
    judgeIntegrity({
      assignments: [
        { share: 0.05, recorded: 'treated', drawn: 'treated', n: treated },
        { share: 0.05, recorded: 'withheld', drawn: 'withheld', n: withheld },
      ],
      ...{ reached: 0, mixed: 0, ended: false },
    })

  test('is no alarm at what chance does on one of many nights', () => {
    expect(running(9500, 422).sampleRatio).toMatchObject({ verdict: 'plausible', method: 'chi_square' })
  })

  test('is one at what chance does not do, in a few people as in many', () => {
    expect(running(1600, 38).sampleRatio).toMatchObject({ verdict: 'mismatch', method: 'chi_square' })
    expect(running(950_000, 47_800).sampleRatio).toMatchObject({ verdict: 'mismatch', method: 'sequential' })
  })
})

describe('arms', () => {
  test('that are several are each compared with the withheld one', () => {
    const figures = [share('red', 300, 1000), share('blue', 200, 1000), share('withheld', 100, 1000)]
    const found = compareArms(figures, fixed, { measure: 'share', covariate: false })
    expect(found.map(({ arm, lift }) => [arm, lift.kind === 'estimated' && lift.absolute.estimate.toFixed(2)])).toEqual(
      [
        ['red', '0.20'],
        ['blue', '0.10'],
      ],
    )
  })

  test('that are missing are an answer', () => {
    const [alone] = compareArms([share('withheld', 10, 100)], fixed, { measure: 'share', covariate: false })
    expect(alone).toMatchObject({ arm: 'treated', lift: { kind: 'not_estimable', reason: 'empty_arm' } })
  })

  test('have a narrower interval with a covariate that explains something', () => {
    const rows = Array.from({ length: 400 }, (_, index) => ({ x: index % 20, y: 3 * (index % 20) + ((index * 7) % 5) }))
    const arm = (name: string, more: number, size: number): ArmFigures => {
      const part = rows.slice(0, size)
      return {
        arm: name,
        ...withCovariate(
          part.map(({ x }) => x),
          part.map(({ y }) => y + more),
        ),
      }
    }
    const figures = [arm('treated', 1, 400), arm('withheld', 0, 100)]
    const width = (covariate: boolean) => {
      const [found] = compareArms(figures, fixed, { measure: 'mean', covariate })
      if (found?.lift.kind !== 'estimated') throw new Error('not estimated')
      return found.lift.absolute.upper - found.lift.absolute.lower
    }
    expect(width(true)).toBeLessThan(width(false) / 5)
  })
})

test('a day is not less than a day', () => {
  const few = judged(share('treated', 500, 19_000), share('withheld', 15, 1000), running)
  const verdict = verdictOn(few, [], { ...around, asOf: around.firstAt + 1, window: 30 * day })
  expect(verdict.text).toContain('wait until about 2026-01-02')
})
