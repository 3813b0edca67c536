import { expect, test } from 'vitest'
import { parsePointInTime } from '../../src/cli/as-of.ts'
import { ActivateError } from '../../src/project/problem.ts'

const read = (text: string, zone: string) => new Date(parsePointInTime(text, zone)).toISOString()

test.each([
  ['2026-03-01', 'UTC', '2026-03-01T00:00:00.000Z'],
  ['2026-03-01', 'America/New_York', '2026-03-01T05:00:00.000Z'],
  ['2026-07-01', 'Europe/London', '2026-06-30T23:00:00.000Z'],
  ['2026-03-01T02:00', 'Europe/London', '2026-03-01T02:00:00.000Z'],
  ['2026-03-01 02:00:30.250', 'Asia/Kathmandu', '2026-02-28T20:15:30.250Z'],
  ['2026-03-01T02:00:00Z', 'America/New_York', '2026-03-01T02:00:00.000Z'],
  ['2026-03-01T02:00:00.5+05:30', 'America/New_York', '2026-02-28T20:30:00.500Z'],
  ['2026-03-01T02:00-0500', 'UTC', '2026-03-01T07:00:00.000Z'],
  ['1997-07-01', 'UTC', '1997-07-01T00:00:00.000Z'],
  ['2028-02-29', 'UTC', '2028-02-29T00:00:00.000Z'],
])('%s in %s is %s', (text, zone, instant) => {
  expect(read(text, zone)).toBe(instant)
})

test('a time that the clock jumps over is read after the jump', () => {
  expect(read('2026-03-08T02:30', 'America/New_York')).toBe('2026-03-08T07:30:00.000Z')
})

test('a midnight that does not exist is the first hour of its day', () => {
  expect(read('2018-11-04', 'America/Sao_Paulo')).toBe('2018-11-04T03:00:00.000Z')
})

test('a time that occurs twice means the first', () => {
  expect(read('2026-11-01T01:30', 'America/New_York')).toBe('2026-11-01T05:30:00.000Z')
})

test('a shift of half an hour is respected', () => {
  expect(read('2026-04-05T01:45', 'Australia/Lord_Howe')).toBe('2026-04-04T14:45:00.000Z')
})

test.each([
  '',
  'yesterday',
  '2026-3-1',
  '2026-02-30',
  '2026-13-01',
  '2026-03-01T24:00',
  '2026-03-01T02:60',
  '2026-03-01T02:00:60Z',
  '2026-03-01Z',
  '20260301',
])('%j is refused with help', text => {
  expect(() => parsePointInTime(text, 'UTC')).toThrow(ActivateError)
  expect(() => parsePointInTime(text, 'UTC')).toThrow(/A8004/)
})
