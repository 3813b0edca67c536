/** Every value has one text and one form in JSON, whatever the engine. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ColumnType } from '../../../src/project/project.ts'
import type { Column } from '../../../src/warehouse/dialect.ts'
import { raw } from '../../../src/warehouse/sql.ts'
import { character, oddIdentifiers, oddTexts } from './odd.ts'
import { named, type Trial } from './trial.ts'

export function describeForms(trial: Trial): void {
  const { warehouse, dialect, rows, value, load, shown } = trial
  describe('texts and JSON', () => {
    test.each<[ColumnType, [string | null, string | null, string][]]>([
      [
        'string',
        [
          ['a', 'a', '{"x":"a"}'],
          ['', '', '{"x":""}'],
          [' ', ' ', '{"x":" "}'],
          ['007', '007', '{"x":"007"}'],
          ['null', 'null', '{"x":"null"}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'integer',
        [
          ['1', '1', '{"x":1}'],
          ['0', '0', '{"x":0}'],
          ['-7', '-7', '{"x":-7}'],
          ['9007199254740991', '9007199254740991', '{"x":9007199254740991}'],
          ['9007199254740992', '9007199254740992', '{"x":"9007199254740992"}'],
          ['-9007199254740992', '-9007199254740992', '{"x":"-9007199254740992"}'],
          ['9223372036854775807', '9223372036854775807', '{"x":"9223372036854775807"}'],
          ['-9223372036854775808', '-9223372036854775808', '{"x":"-9223372036854775808"}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'number',
        [
          ['1', '1', '{"x":1}'],
          ['1.50', '1.5', '{"x":1.5}'],
          ['-0', '0', '{"x":0}'],
          ['0.1', '0.1', '{"x":0.1}'],
          ['0.30000000000000004', '0.30000000000000004', '{"x":0.30000000000000004}'],
          ['9007199254740991', '9007199254740991', '{"x":9007199254740991}'],
          ['-12.25', '-12.25', '{"x":-12.25}'],
          ['1000000', '1000000', '{"x":1000000}'],
          ['17554.285714285714', '17554.285714285714', '{"x":17554.285714285714}'],
          ['0.00001', '0.00001', '{"x":0.00001}'],
          ['0.0000015', '0.0000015', '{"x":0.0000015}'],
          ['0.00000015', '1.5e-7', '{"x":1.5e-7}'],
          ['1.5e22', '1.5e22', '{"x":1.5e22}'],
          ['-1.5e300', '-1.5e300', '{"x":-1.5e300}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'boolean',
        [
          ['true', 'true', '{"x":true}'],
          ['false', 'false', '{"x":false}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'date',
        [
          ['2026-03-01', '2026-03-01', '{"x":"2026-03-01"}'],
          ['1969-12-31', '1969-12-31', '{"x":"1969-12-31"}'],
          ['2024-02-29', '2024-02-29', '{"x":"2024-02-29"}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'timestamp',
        [
          ['2026-03-01T02:00:00Z', '2026-03-01T02:00:00Z', '{"x":"2026-03-01T02:00:00Z"}'],
          ['2026-03-01T02:00:00+02:00', '2026-03-01T00:00:00Z', '{"x":"2026-03-01T00:00:00Z"}'],
          ['2026-03-01T02:00:00.500Z', '2026-03-01T02:00:00.5Z', '{"x":"2026-03-01T02:00:00.5Z"}'],
          ['2026-03-01T02:00:00.000001Z', '2026-03-01T02:00:00.000001Z', '{"x":"2026-03-01T02:00:00.000001Z"}'],
          ['1969-12-31T23:59:59.25Z', '1969-12-31T23:59:59.25Z', '{"x":"1969-12-31T23:59:59.25Z"}'],
          ['2026-03-29T01:30:00Z', '2026-03-29T01:30:00Z', '{"x":"2026-03-29T01:30:00Z"}'],
          [null, null, '{"x":null}'],
        ],
      ],
      [
        'json',
        [
          ['{"a": [1, "b", null]}', '{"a":[1,"b",null]}', '{"x":{"a":[1,"b",null]}}'],
          ['[]', '[]', '{"x":[]}'],
          ['"t"', '"t"', '{"x":"t"}'],
          [null, null, '{"x":null}'],
        ],
      ],
    ])('writes each %s in its one form', async (type, cases) => {
      expect(
        await shown(
          type,
          cases.map(([given]) => given),
        ),
      ).toEqual(cases.map(([, text, json]) => [text, json]))
    })

    test('writes a timestamp that has no zone without one', async () => {
      const moment = (time: string) => `cast('2026-03-01 ${time}' as ${trial.native('timestamp')})`
      const [column] = await warehouse().describe(`select ${moment('02:00:00')} as x`)
      expect(column?.type).toBe('timestamp')
      if (column === undefined) return
      const texts = await rows(
        raw(
          `select ${dialect().asText(moment('02:00:00'), column)} as whole, ${dialect().asText(moment('02:00:00.5'), column)} as half`,
        ),
      )
      expect(texts).toEqual([{ whole: '2026-03-01T02:00:00', half: '2026-03-01T02:00:00.5' }])
    })

    test.each([
      ['1.50', 'decimal(12, 2)', '1.5', '{"x":1.5}'],
      ['-0.05', 'decimal(12, 2)', '-0.05', '{"x":-0.05}'],
      ['100.00', 'decimal(12, 2)', '100', '{"x":100}'],
      ['0.00', 'decimal(12, 2)', '0', '{"x":0}'],
      ['12345678901234.56', 'decimal(30, 2)', '12345678901234.56', '{"x":12345678901234.56}'],
      ['12345678901234567.89', 'decimal(30, 2)', '12345678901234567.89', '{"x":"12345678901234567.89"}'],
      ['9007199254740992', 'decimal(20, 0)', '9007199254740992', '{"x":9007199254740992}'],
      ['9007199254740993', 'decimal(20, 0)', '9007199254740993', '{"x":"9007199254740993"}'],
      ['0.1000000000000000001', 'decimal(38, 19)', '0.1000000000000000001', '{"x":"0.1000000000000000001"}'],
      ['0.1000000000000000000', 'decimal(38, 19)', '0.1', '{"x":0.1}'],
    ])('writes the decimal %s of %s as %s and %s', async (given, native, text, json) => {
      const x = `cast('${given}' as ${trial.native(native)})`
      const [column] = await warehouse().describe(`select ${x} as x`)
      expect(column?.type).toBe('number')
      if (column === undefined) return
      const found = await rows(
        raw(
          `select ${dialect().asText(x, column)} as t, ${dialect().jsonObject([{ name: 'x', expression: x, column }])} as j`,
        ),
      )
      expect(found).toEqual([{ t: text, j: json }])
    })

    test('keeps any text whole in JSON, under any name', async () => {
      const names = trial.abilities.names?.columns ?? oddIdentifiers
      const fields = names.map((field, index) => ({ field, text: oddTexts[index] ?? '' }))
      const table = await load(
        fields.map(({ field }) => ({ name: field, type: 'string' })),
        [fields.map(({ text }) => text), fields.map(() => null)],
      )
      const json = dialect().jsonObject(
        table.columns.map(column => ({ name: column.name, expression: dialect().quote(column.name), column })),
      )
      const found = await rows(raw(`select ${json} as j from ${table.relation}`))
      const objects = found.map(row => JSON.parse(String(row.j)))
      expect(objects).toContainEqual(Object.fromEntries(fields.map(({ field, text }) => [field, text])))
      expect(objects).toContainEqual(Object.fromEntries(fields.map(({ field }) => [field, null])))
      expect(Object.keys(objects[0])).toEqual(names)
    })

    test('writes an object without members', async () => {
      expect(await value(dialect().jsonObject([]))).toBe('{}')
    })

    test('parses back to what went in, whatever the text', async () => {
      const column: Pick<Column, 'type' | 'native'> = named(
        await warehouse().describe(`select cast('a' as ${dialect().stateType('text')}) as x`),
        'x',
      )
      await fc.assert(
        fc.asyncProperty(fc.array(fc.string({ unit: character }), { minLength: 1, maxLength: 30 }), async texts => {
          const fields = texts.map((_, index) => ({
            name: `x${index}`,
            expression: dialect().placeholder(index),
            column,
          }))
          const json = await value(dialect().jsonObject(fields), ...texts)
          expect(Object.values(JSON.parse(String(json)))).toEqual(texts)
        }),
        { numRuns: 5 },
      )
    })

    test('finds a member of an object, its null and its absence', async () => {
      const object = JSON.stringify({ a: 1, 'odd/na~me"\'': 'x', '': [1, { b: null }], nothing: null, '*': true })
      const member = (key: string) => value(dialect().jsonMember(dialect().placeholder(0), key), object)
      expect(await member('a')).toBe('1')
      expect(await member('odd/na~me"\'')).toBe('"x"')
      expect(await member('')).toBe('[1,{"b":null}]')
      expect(await member('*')).toBe('true')
      expect(await member('nothing')).toBe('null')
      expect(await member('absent')).toBeNull()
    })
  })
}
