import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dueTimes, horizon, mostSkipped, nextDue, pending } from '../../src/schedule/cron.ts'

const at = (iso: string) => Date.parse(iso)
const iso = (times: readonly number[]) => times.map(time => new Date(time).toISOString().slice(0, 16))
const minute = 60_000
const day = 86_400_000
const zones = [
  'UTC',
  'Europe/London',
  'America/New_York',
  'America/Sao_Paulo',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
]

/** Local wall clock as Intl has it: an oracle that shares no code with croner. */
function localClock(zone: string): (time: number) => { readonly date: string; readonly time: string } {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  return time => {
    const [date = '', clock = ''] = format.format(time).split(' ')
    return { date, time: clock }
  }
}

describe('due times', () => {
  test('a nightly job in the missing hour is due right after the jump', () => {
    expect(iso(dueTimes('30 2 * * *', 'America/New_York', at('2026-03-07T00:00Z'), at('2026-03-10T00:00Z')))).toEqual([
      '2026-03-07T07:30',
      '2026-03-08T07:00',
      '2026-03-09T06:30',
    ])
  })

  test('a nightly job in the repeated hour is due once, at its first occurrence', () => {
    expect(iso(dueTimes('30 1 * * *', 'America/New_York', at('2026-10-31T00:00Z'), at('2026-11-03T00:00Z')))).toEqual([
      '2026-10-31T05:30',
      '2026-11-01T05:30',
      '2026-11-02T06:30',
    ])
  })

  test('two fixed times that fall into the same gap are due once', () => {
    expect(iso(dueTimes('0,30 2 * * *', 'America/New_York', at('2026-03-08T00:00Z'), at('2026-03-09T00:00Z')))).toEqual(
      ['2026-03-08T07:00'],
    )
  })

  test('a step keeps its pace through the repeated hour', () => {
    expect(iso(dueTimes('*/30 * * * *', 'America/New_York', at('2026-11-01T04:59Z'), at('2026-11-01T07:00Z')))).toEqual(
      ['2026-11-01T05:00', '2026-11-01T05:30', '2026-11-01T06:00', '2026-11-01T06:30', '2026-11-01T07:00'],
    )
  })

  test('the start is excluded and the end included', () => {
    const noon = at('2026-03-01T12:00Z')
    expect(dueTimes('0 12 * * *', 'UTC', noon, noon)).toEqual([])
    expect(dueTimes('0 12 * * *', 'UTC', noon - 1, noon)).toEqual([noon])
    expect(nextDue('0 12 * * *', 'UTC', noon)).toBe(noon + day)
  })

  test.each(zones)('over a year in %s a nightly job is due exactly once per local day', zone => {
    const clock = localClock(zone)
    const start = at('2026-01-01T12:00Z')
    const end = start + 365 * day
    for (const hour of [0, 1, 2, 3]) {
      const times = dueTimes(`30 ${hour} * * *`, zone, start, end)
      const dates = times.map(time => clock(time).date)
      expect(new Set(dates).size).toBe(times.length)
      expect(times.length).toBe(365)
      for (const time of times) {
        const wanted = `0${hour}:30`
        const local = clock(time)
        // Either the wall clock says so, or it never said so that day and this is the first minute after the gap.
        if (local.time === wanted)
          expect(clock(time - 30 * minute).time === wanted && clock(time - 30 * minute).date === local.date).toBe(false)
        else expect([local.time > wanted, clock(time - minute).time < wanted]).toEqual([true, true])
      }
    }
  })

  test.each([
    'Europe/London',
    'Australia/Lord_Howe',
  ])('over a year in %s a half-hourly job is due whenever the wall clock says so', zone => {
    const clock = localClock(zone)
    const start = at('2026-01-01T00:00Z')
    const expected: number[] = []
    for (let time = start + 15 * minute; time <= start + 365 * day; time += 15 * minute) {
      if (/:(00|30)$/.test(clock(time).time)) expected.push(time)
    }
    expect(dueTimes('*/30 * * * *', zone, start, start + 365 * day)).toEqual(expected)
  })
})

describe('what is owed', () => {
  const nightly = { schedule: '0 2 * * *', zone: 'UTC' }

  test('nothing before the schedule was first seen', () => {
    const known = { lastDue: undefined, seen: at('2026-03-05T12:00Z'), now: at('2026-03-05T13:00Z') }
    expect(pending(nightly, known)).toEqual({ serve: undefined, skipped: [] })
  })

  test('a schedule first seen at the very minute it is due is served', () => {
    const due = at('2026-03-05T02:00Z')
    expect(pending(nightly, { lastDue: undefined, seen: due, now: due }).serve).toBe(due)
  })

  test('after three nights asleep only the latest is served', () => {
    const owed = pending(nightly, { lastDue: at('2026-03-01T02:00Z'), seen: 0, now: at('2026-03-05T09:00Z') })
    expect([iso([owed.serve ?? 0]), iso(owed.skipped)]).toEqual([
      ['2026-03-05T02:00'],
      ['2026-03-02T02:00', '2026-03-03T02:00', '2026-03-04T02:00'],
    ])
  })

  test('a yearly schedule is caught up however long the sleep was', () => {
    const owed = pending(
      { schedule: '0 0 1 1 *', zone: 'UTC' },
      { lastDue: undefined, seen: at('2025-06-01T00:00Z'), now: at('2026-05-01T00:00Z') },
    )
    expect(iso([owed.serve ?? 0])).toEqual(['2026-01-01T00:00'])
  })

  test('a busy schedule after a long sleep records a bounded number of skipped times', () => {
    const now = at('2026-05-01T00:00Z')
    const owed = pending({ schedule: '0 * * * *', zone: 'UTC' }, { lastDue: now - 2 * horizon, seen: 0, now })
    expect([owed.serve, owed.skipped.length]).toEqual([now, mostSkipped])
  })

  test('a clock that was set back owes nothing', () => {
    expect(
      pending(nightly, { lastDue: at('2026-03-05T02:00Z'), seen: 0, now: at('2026-03-04T09:00Z') }).serve,
    ).toBeUndefined()
  })

  test('over a year of ticks, sleeps and restarts every due time is served or skipped exactly once, in order', () => {
    const schedules = fc.constantFrom('30 2 * * *', '0 9 * * 1-5', '15 */6 * * *', '30 1,2,3 * * *', '0 0 1 * *')
    const gaps = fc.array(
      fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 90 }) }, fc.integer({ min: 600, max: 20_000 })),
      {
        minLength: 50,
        maxLength: 50,
      },
    )
    fc.assert(
      fc.property(schedules, fc.constantFrom(...zones), gaps, (schedule, zone, minutes) => {
        const start = at('2026-01-01T00:00Z')
        const end = start + 365 * day
        let lastDue: number | undefined
        const handled: number[] = []
        let now = start
        for (let step = 0; now < end; step++) {
          now = Math.min(end, now + (minutes[step % minutes.length] ?? 1) * minute)
          const { serve, skipped } = pending({ schedule, zone }, { lastDue, seen: start, now })
          if (serve === undefined) continue
          expect(dueTimes(schedule, zone, serve, now)).toEqual([])
          handled.push(...skipped, serve)
          lastDue = serve
        }
        expect(handled).toEqual(dueTimes(schedule, zone, start - 1, end))
      }),
      { numRuns: 12 },
    )
  })
})
