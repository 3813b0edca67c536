/** What planning builds its conditions from. */
import { describe, expect, test } from 'vitest'
import type { ColumnType } from '../../../src/project/project.ts'
import type { Literal } from '../../../src/warehouse/dialect.ts'
import { raw, type Value } from '../../../src/warehouse/sql.ts'
import type { Trial } from './trial.ts'

export function describeExpressions(trial: Trial): void {
  const { dialect, rows, value } = trial
  describe('expressions', () => {
    test('finds NaN and infinities', async () => {
      const double = (text: string) => `cast('${text}' as ${dialect().stateType('double')})`
      const found = await rows(
        raw(
          `select ${['1.5', 'nan', 'inf', '-inf'].map((text, index) => `${dialect().isFinite(double(text))} as c${index}`).join(', ')}`,
        ),
      )
      expect(found).toEqual([{ c0: true, c1: false, c2: false, c3: false }])
    })

    test('rounds half away from zero', async () => {
      const rounded = (number: string, digits: number) =>
        value(
          `cast(${dialect().round(`cast(${number} as decimal(10, 3))`, digits)} as ${dialect().stateType('double')})`,
        )
      expect(await rounded('2.5', 0)).toBe(3)
      expect(await rounded('-2.5', 0)).toBe(-3)
      expect(await rounded('2.345', 2)).toBe(2.35)
      expect(await rounded('-2.345', 2)).toBe(-2.35)
      expect(await rounded('0.5', 0)).toBe(1)
    })

    test('trims what JavaScript trims, and lowers letters beyond ASCII', async () => {
      expect(await value(dialect().trim(dialect().placeholder(0)), ' \t\n\v\f\r\u00A0\uFEFFa b\u00A0\r\n')).toBe('a b')
      expect(await value(dialect().lower(dialect().placeholder(0)), 'ÀÉÎ Ab')).toBe('àéî ab')
    })

    test('trims every space that Unicode knows, and none within', async () => {
      const spaces = Array.from({ length: 0xffff }, (_, code) => String.fromCharCode(code + 1)).filter(
        c => c.trim() === '',
      )
      expect(spaces).toHaveLength(25)
      const padded = `${spaces.join('')}a${spaces.join('')}b${spaces.join('')}`
      expect(await value(dialect().trim(dialect().placeholder(0)), padded)).toBe(padded.trim())
    })

    test('lowers character by character, not by the neighbours', async () => {
      expect(await value(dialect().lower(dialect().placeholder(0)), 'ΟΔΟΣ İI')).toBe('οδοσ ii')
    })

    test.each<[string, string, boolean]>([
      ['abc', 'b', true],
      ['abc', '^b', false],
      ["it's", "t's$", true],
      ['a\nb', 'a$', false],
      ['a+b', '[+]', true],
      ['日本', '^[^a]{2}$', true],
      ['', '^$', true],
    ])('finds in %j a match of %j: %j', async (given, pattern, expected) => {
      expect(await value(dialect().matches(dialect().placeholder(0), pattern), given)).toBe(expected)
    })

    test.each<[string, string, string, string]>([
      ['a.b.c', '[.]', '', 'abc'],
      ['abc', '^', ':', ':abc'],
      ['', '^', ':', ':'],
      ['a\nb', '[^a]', "'", "a''"],
      ['0044', '^([+]|00)', 'i', 'i44'],
      ['日本日', '日', 'x', 'x本x'],
      ['12345', '^.{0,3}$', '', '12345'],
      ['a1b2', '([0-9])', '<\\1>', 'a<1>b<2>'],
      ['(0)a)', '[(]0[)]|[)]', '', 'a'],
    ])('replaces in %j every match of %j by %j', async (given, pattern, by, expected) => {
      expect(await value(dialect().replaceMatches(dialect().placeholder(0), pattern, by), given)).toBe(expected)
    })

    test('finds and replaces nothing in NULL', async () => {
      const nothing = `cast(null as ${dialect().stateType('text')})`
      expect(await value(dialect().matches(nothing, 'a'))).toBeNull()
      expect(await value(dialect().replaceMatches(nothing, 'a', 'b'))).toBeNull()
    })

    test('reckons with timestamps in whole milliseconds', async () => {
      const { addMilliseconds, timestamp, literal } = dialect()
      const day = 86_400_000
      const at = timestamp(dialect().placeholder(0))
      expect(await value(addMilliseconds(at, day), '2026-03-28T12:00:00Z')).toBe('2026-03-29T12:00:00Z')
      expect(await value(addMilliseconds(at, -300 * day), '2026-03-01T02:00:00Z')).toBe('2025-05-05T02:00:00Z')
      expect(await value(addMilliseconds(at, 1), '2026-03-01T02:00:00.999Z')).toBe('2026-03-01T02:00:01Z')
      expect(
        await value(
          `${addMilliseconds(timestamp(literal('2026-03-01T02:00:00Z')), -1)} < ${literal({ timestamp: '2026-03-01T02:00:00Z' })}`,
        ),
      ).toBe(true)
    })

    test.each<[Literal, Value]>([
      ["it's -- \\ /* $1", "it's -- \\ /* $1"],
      ['', ''],
      [0, 0],
      [-5, -5],
      [true, true],
      [false, false],
      [null, null],
      [{ date: '2026-03-01' }, '2026-03-01'],
      [{ timestamp: '2026-03-01T02:00:00Z' }, '2026-03-01T02:00:00Z'],
    ])('writes the literal %j', async (given, expected) => {
      expect(await value(dialect().literal(given))).toBe(expected)
    })

    test('writes a literal with a NUL, or refuses it', async () => {
      if (trial.abilities.storesNul) expect(await value(dialect().literal('nul\0inside'))).toBe('nul\0inside')
      else expect(() => dialect().literal('nul\0inside')).toThrow('A3007')
    })

    test('writes negative and fractional literals so that they survive an operator', async () => {
      expect(await value(`1 -${dialect().literal(-5)}`)).toBe(6)
      expect(await value(`cast(${dialect().literal(0.1)} as ${dialect().stateType('double')})`)).toBe(0.1)
      expect(await value(`cast(${dialect().literal(1e-7)} as ${dialect().stateType('double')})`)).toBe(1e-7)
    })

    test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses the literal %d', given => {
      expect(() => dialect().literal(given)).toThrow('A3007')
    })

    test.each(['', 'a\0b'])('refuses the identifier %j', given => {
      expect(() => dialect().quote(given)).toThrow('A3006')
    })

    test.each<[ColumnType, string, Value]>([
      ['string', '1', '1'],
      ['integer', "'12'", 12],
      ['number', "'1.5'", 1.5],
      ['boolean', "'true'", true],
      ['date', "'2026-03-01'", '2026-03-01'],
      ['timestamp', "'2026-03-01T02:00:00Z'", '2026-03-01T02:00:00Z'],
    ])('casts to %s', async (type, given, expected) => {
      expect(await value(dialect().castTo(given, type))).toBe(expected)
    })
  })
}
