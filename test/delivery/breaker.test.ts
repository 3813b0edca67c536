import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBreaker, firstPause, opensAfter, probes } from '../../src/delivery/breaker.ts'

describe('the breaker', () => {
  test('opens after some failures in a row, and a success between them closes it', () => {
    const breaker = createBreaker()
    for (let n = 1; n < opensAfter; n++) breaker.failed(0, 0)
    breaker.succeeded()
    for (let n = 1; n < opensAfter; n++) breaker.failed(0, 0)
    expect([breaker.isClosed, breaker.wait(0, 3)]).toEqual([true, 0])
    breaker.failed(0, 0)
    expect([breaker.isClosed, breaker.wait(0, 0)]).toEqual([false, firstPause])
  })

  test('lets one probe through when the time has come, and nobody beside it', () => {
    const breaker = createBreaker()
    for (let n = 0; n < opensAfter; n++) breaker.failed(0, 0)
    expect(breaker.wait(firstPause - 1, 0)).toBe(1)
    expect(breaker.wait(firstPause, 0)).toBe(0)
    expect(breaker.wait(firstPause, 1)).toBeGreaterThan(0)
    breaker.succeeded()
    expect([breaker.isClosed, breaker.wait(firstPause, 9)]).toEqual([true, 0])
  })

  test('does not count what was under way when it opened', () => {
    const breaker = createBreaker()
    for (let n = 0; n < opensAfter; n++) breaker.failed(0, n)
    for (let n = 0; n < 10; n++) breaker.failed(n % (opensAfter - 1), 1_000 * n)
    expect(breaker.until).toBe(opensAfter - 1 + firstPause)
    expect(breaker.isHopeless).toBe(false)
  })

  test('waits twice as long after each failed probe, and says when it is hopeless', () => {
    const breaker = createBreaker()
    for (let n = 0; n < opensAfter; n++) breaker.failed(0, 0)
    const waits: number[] = []
    while (!breaker.isHopeless) {
      const at = breaker.until
      breaker.failed(at, at)
      waits.push(breaker.until - at)
    }
    expect(waits).toEqual([2, 4, 8, 16].map(times => times * firstPause))
    expect(waits).toHaveLength(probes)
  })

  test('never lets more than one request leave in a row of failures once it is open, whatever happens', () => {
    const event = fc.record({ after: fc.integer({ min: 0, max: 5_000 }), fails: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), events => {
        const breaker = createBreaker()
        let [now, row] = [0, 0]
        for (const { after, fails } of events) {
          now += after
          const wait = breaker.wait(now, 0)
          expect(wait > 0).toBe(!breaker.isClosed && now < breaker.until)
          if (wait > 0) continue
          row = fails ? row + 1 : 0
          if (fails) breaker.failed(now, now)
          else breaker.succeeded()
          expect(breaker.isClosed).toBe(row < opensAfter)
        }
      }),
    )
  })

  test('does not stay open for hours when the clock is set back', () => {
    const breaker = createBreaker()
    for (let n = 0; n < opensAfter; n++) breaker.failed(36_000_000, 36_000_000)
    expect(breaker.wait(0, 0)).toBeLessThanOrEqual(60_000)
  })
})
