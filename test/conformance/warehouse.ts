/**
 * What a warehouse has to do, whichever it is. The same rows, the same texts: a project may change its warehouse and
 * nobody's payload changes with it.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ColumnType } from '../../src/project/project.ts'
import type { Column, Literal } from '../../src/warehouse/dialect.ts'
import { type Fragment, join, raw, render, sql, type Value } from '../../src/warehouse/sql.ts'
import type { Row, Warehouse } from '../../src/warehouse/warehouse.ts'

export interface OpenedWarehouse {
  readonly warehouse: Warehouse
  cleanup(): Promise<void>
}

/** Any character but NUL and the halves of surrogate pairs; fast-check's own unit takes a second to build. */
const character = fc
  .integer({ min: 1, max: 0x10ffff })
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code))

const oddIdentifiers = [
  'select',
  'order',
  'Mixed Case',
  'with "quotes"',
  "apostrophe's",
  'semi;colon',
  'dotted.name',
  'ünï',
  '日本',
  '1st',
  '$1',
]

const oddTexts = [
  '',
  ' ',
  "it's",
  'say "hi"',
  'back\\slash',
  'a/b',
  'tab\tline\nreturn\r',
  'é',
  'e\u0301',
  '👩‍👩‍👧',
  '日本',
  '\u2028',
  '{{x}}',
  '$1',
  '--',
  '/*',
]

export function describeWarehouse(name: string, open: () => Promise<OpenedWarehouse>): void {
  describe(name, () => {
    let opened: OpenedWarehouse
    let made = 0
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened.cleanup())

    const warehouse = () => opened.warehouse
    const dialect = () => opened.warehouse.dialect
    const statement = (fragment: Fragment) => render(fragment, dialect().placeholder)
    const rows = (fragment: Fragment) => warehouse().query(statement(fragment))
    const execute = (fragment: Fragment) => warehouse().execute(statement(fragment))
    const fresh = () => {
      made += 1
      return [...warehouse().state, `conformance__${made}`]
    }
    const value = async (expression: string, ...params: Value[]): Promise<Value> => {
      const [row] = await warehouse().query({ sql: `select ${expression} as v`, params })
      return row?.v ?? null
    }
    const load = async (
      columns: readonly { name: string; type: ColumnType }[],
      data: readonly (readonly (string | null)[])[],
    ) => {
      const parts = fresh()
      await warehouse().load(parts, columns, once(data))
      const relation = dialect().relation(parts)
      return { parts, relation, columns: await warehouse().describe(relation) }
    }
    /** The texts and the JSON of one loaded column, row by row. */
    const shown = async (type: ColumnType, data: readonly (string | null)[]) => {
      const table = await load(
        [
          { name: 'n', type: 'integer' },
          { name: 'x', type },
        ],
        data.map((text, index) => [String(index), text]),
      )
      const column = named(table.columns, 'x')
      const x = dialect().quote('x')
      const json = dialect().jsonObject([{ name: 'x', expression: x, column }])
      const found = await rows(
        raw(`select ${dialect().asText(x, column)} as t, ${json} as j from ${table.relation} order by n`),
      )
      return found.map(row => [row.t ?? null, row.j ?? null])
    }

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
        const moment = (time: string) => `cast('2026-03-01 ${time}' as timestamp)`
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
        const x = `cast('${given}' as ${native})`
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
        const fields = oddIdentifiers.map((field, index) => ({ field, text: oddTexts[index] ?? '' }))
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
        expect(Object.keys(objects[0])).toEqual(oddIdentifiers)
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

    describe('keys', () => {
      const array = (...parts: Value[]) =>
        value(
          dialect().jsonTextArray(
            parts.map((part, index) =>
              part === null
                ? `cast(null as ${dialect().stateType('text')})`
                : `cast(${dialect().placeholder(index)} as ${dialect().stateType('text')})`,
            ),
          ),
          ...parts.filter(part => part !== null),
        )

      test('tells composite keys apart by their parts', async () => {
        expect(await array('a', 'b|c')).toBe('["a","b|c"]')
        expect(await array('a|b', 'c')).toBe('["a|b","c"]')
        expect(await array('1', 'say "hi"')).toBe('["1","say \\"hi\\""]')
        expect(await array('日本', '')).toBe('["日本",""]')
      })

      test('has no composite key when a part is missing', async () => {
        expect(await array('a', null)).toBeNull()
      })

      test('keeps composed and decomposed letters apart', async () => {
        const table = await load([{ name: 'x', type: 'string' }], [['é'], ['e\u0301'], ['é']])
        expect(await rows(raw(`select count(distinct x) as n from ${table.relation}`))).toEqual([{ n: 2 }])
      })
    })

    describe('hashes', () => {
      test('agrees with SHA-256 of the UTF-8 bytes', async () => {
        for (const text of oddTexts) {
          expect(await value(dialect().sha256(dialect().placeholder(0)), text)).toBe(
            createHash('sha256').update(text, 'utf8').digest('hex'),
          )
        }
      })

      test('assigns the same number as TypeScript', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
            fc.string({ unit: character }),
            async (salt, key) => {
              const hex = createHash('sha256').update(`${salt}:${key}`, 'utf8').digest('hex').slice(0, 13)
              const expression = dialect().unitInterval(dialect().literal(salt), dialect().placeholder(0))
              expect(await value(expression, key)).toBe(Number.parseInt(hex, 16) / 2 ** 52)
            },
          ),
          { numRuns: 25 },
        )
      })

      test('compares texts by a quick hash within one query', async () => {
        const { quickHash, literal } = dialect()
        const found = await rows(
          raw(
            `select ${quickHash(literal('a'))} = ${quickHash(literal('a'))} as same, ${quickHash(literal('a'))} = ${quickHash(literal('b'))} as other`,
          ),
        )
        expect(found).toEqual([{ same: true, other: false }])
      })
    })

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
        expect(await value(dialect().trim(dialect().placeholder(0)), ' \t\n\v\f\r\u00A0\uFEFFa b\u00A0\r\n')).toBe(
          'a b',
        )
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
        ['nul\0inside', 'nul\0inside'],
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

    describe('statements', () => {
      test('binds values of every type', async () => {
        const params: Value[] = ['日本 $1', 1.5, 7, 2 ** 40, 2n ** 62n, true, null, '', -0.25]
        const list = params.map((_, index) => `${dialect().placeholder(index)} as c${index}`).join(', ')
        const [row] = await warehouse().query({ sql: `select ${list}`, params })
        expect(Object.values(row ?? {})).toEqual(params)
      })

      test('returns exact numbers, and decimals with every digit', async () => {
        const [row] = await rows(
          raw(
            `select cast(9007199254740991 as bigint) as safe, cast(9007199254740993 as bigint) as big, cast('1.50' as decimal(20, 2)) as dec, count(*) as n, cast('{"a":1}' as json) as j`,
          ),
        )
        expect(row).toEqual({ safe: 9007199254740991, big: 9007199254740993n, dec: '1.50', n: 1, j: '{"a":1}' })
      })

      test('keeps odd identifiers and odd texts', async () => {
        const parts = [...warehouse().state, 'odd "table" 日本']
        const columns = oddIdentifiers.map(column => ({ name: column, type: 'string' as const }))
        const row = oddIdentifiers.map((_, index) => oddTexts[index] ?? null)
        await warehouse().load(parts, columns, once([row]))
        expect(await rows(raw(`select * from ${dialect().relation(parts)}`))).toEqual([
          Object.fromEntries(oddIdentifiers.map((column, index) => [column, row[index]])),
        ])
        expect((await warehouse().describe(dialect().relation(parts))).map(column => column.name)).toEqual(
          oddIdentifiers,
        )
      })

      test('fails with the engine’s words when a statement is wrong', async () => {
        await expect(warehouse().query({ sql: 'select nowhere from nothing_at_all', params: [] })).rejects.toThrow(
          /A3010.*nothing_at_all/,
        )
      })

      test('takes a transaction back as a whole', async () => {
        const relation = raw(dialect().relation(fresh()))
        await execute(sql`create table ${relation} (n ${raw(dialect().stateType('bigint'))})`)
        const insert = (n: number) => statement(sql`insert into ${relation} values (${n})`)
        await expect(
          warehouse().transaction([insert(1), statement(raw('select * from nothing_at_all'))]),
        ).rejects.toThrow('A3010')
        expect(await rows(sql`select * from ${relation}`)).toEqual([])
        await warehouse().transaction([insert(1), insert(2)])
        expect(await rows(sql`select n from ${relation} order by n`)).toEqual([{ n: 1 }, { n: 2 }])
      })

      test('keeps other statements out of a transaction', async () => {
        const relation = raw(dialect().relation(fresh()))
        await execute(sql`create table ${relation} (n ${raw(dialect().stateType('bigint'))})`)
        const failing = warehouse().transaction([
          statement(sql`insert into ${relation} values (1)`),
          statement(raw('select * from nothing_at_all')),
        ])
        const other = execute(sql`insert into ${relation} values (2)`)
        await Promise.all([expect(failing).rejects.toThrow('A3010'), other])
        expect(await rows(sql`select n from ${relation}`)).toEqual([{ n: 2 }])
      })

      test('changes rows under another name, also from a second relation, and takes a new column', async () => {
        const [mine, other] = [raw(dialect().relation(fresh())), raw(dialect().relation(fresh()))]
        const integer = raw(dialect().stateType('bigint'))
        await execute(sql`create table ${mine} (k ${integer}, n ${integer})`)
        await execute(sql`create table ${other} (k ${integer}, n ${integer})`)
        await execute(sql`insert into ${mine} values (1, 1), (2, 2), (3, 3), (4, null)`)
        await execute(sql`insert into ${other} values (1, 10), (3, 3)`)
        await execute(sql`alter table ${mine} add column gone ${integer}`)
        await warehouse().transaction([
          statement(
            sql`update ${mine} as q set gone = ${1} where not exists (select 1 from ${other} f where f.k = q.k)`,
          ),
          statement(sql`update ${mine} as q set n = f.n from ${other} f where f.k = q.k and q.n <> f.n`),
          statement(sql`delete from ${mine} as tested where ((tested.n > 9) or (tested.n is null))`),
        ])
        expect(await rows(sql`select k, n, gone from ${mine} order by k`)).toEqual([
          { k: 2, n: 2, gone: 1 },
          { k: 3, n: 3, gone: null },
        ])
      })

      test('describes a select without computing it', async () => {
        const columns = await warehouse().describe(
          `/* a comment */ select 1 as i, 'a' as s, cast(1 as decimal(12, 2)) as d, cast('2026-03-01' as date) as day, true as b`,
        )
        expect(columns.map(({ name: column, type }) => [column, type])).toEqual([
          ['i', 'integer'],
          ['s', 'string'],
          ['d', 'number'],
          ['day', 'date'],
          ['b', 'boolean'],
        ])
      })

      test('describes a relation by the types it was loaded with', async () => {
        const types: ColumnType[] = ['string', 'integer', 'number', 'boolean', 'date', 'timestamp', 'json']
        const table = await load(
          types.map(type => ({ name: `c_${type}`, type })),
          [],
        )
        expect(table.columns.map(column => column.type)).toEqual(types)
      })

      test('lists the tables of a schema by prefix, and no views', async () => {
        const [schema, prefix] = [warehouse().state, 'listed__%_']
        for (const table of ['b', 'a'])
          await execute(
            raw(
              `create table ${dialect().relation([...schema, `${prefix}${table}`])} (n ${dialect().stateType('bigint')})`,
            ),
          )
        await execute(raw(`create view ${dialect().relation([...schema, `${prefix}view`])} as select 1 as n`))
        await execute(
          raw(`create table ${dialect().relation([...schema, 'listed__x'])} (n ${dialect().stateType('bigint')})`),
        )
        expect(await warehouse().tables(schema, prefix)).toEqual([`${prefix}a`, `${prefix}b`])
      })

      test('makes tables from selects with bound values, scratch or not, and never over another', async () => {
        const select = sql`select ${'x'} as s, ${5} as n`
        for (const [relation, scratch] of [
          [dialect().relation(fresh()), false],
          [dialect().scratch('conformance "scratch"'), true],
        ] as const) {
          await execute(dialect().createTableAs(relation, select, { scratch }))
          expect(await rows(raw(`select * from ${relation}`))).toEqual([{ s: 'x', n: 5 }])
          await expect(execute(dialect().createTableAs(relation, select, { scratch }))).rejects.toThrow('A3010')
        }
      })

      test('replaces a model in whatever way it was made before', async () => {
        const relation = dialect().relation(fresh())
        const sequence = ['view', 'table', 'table', 'view', 'view', 'table'] as const
        for (const [index, materialised] of sequence.entries()) {
          for (const text of dialect().createModel(relation, `select ${index} as n`, materialised))
            await execute(raw(text))
          expect(await rows(raw(`select * from ${relation}`))).toEqual([{ n: index }])
        }
      })
    })

    describe('loading', () => {
      test('replaces what was there and returns the number of rows', async () => {
        const parts = fresh()
        const columns = [{ name: 'x', type: 'integer' as const }]
        expect(await warehouse().load(parts, columns, once([['1'], ['2'], [null]]))).toBe(3)
        expect(await warehouse().load(parts, columns, once([['7']]))).toBe(1)
        expect(await rows(raw(`select * from ${dialect().relation(parts)}`))).toEqual([{ x: 7 }])
      })

      test('tells an empty text from NULL', async () => {
        const table = await load([{ name: 'x', type: 'string' }], [[''], [null]])
        expect(await rows(raw(`select count(*) as n, count(x) as present from ${table.relation}`))).toEqual([
          { n: 2, present: 1 },
        ])
      })

      test('leaves everything as it was when a value does not fit, or the rows end in an error', async () => {
        const parts = fresh()
        const columns = [{ name: 'x', type: 'number' as const }]
        await warehouse().load(parts, columns, once([['1']]))
        await expect(warehouse().load(parts, columns, once([['2'], ['abc']]))).rejects.toThrow(
          /A3010.*'abc' is not a number/,
        )
        await expect(warehouse().load(parts, columns, failing([['2']]))).rejects.toThrow('the file ended')
        expect(await rows(raw(`select x from ${dialect().relation(parts)}`))).toEqual([{ x: 1 }])
      })

      test('leaves nothing behind when a first load fails', async () => {
        const parts = fresh()
        await expect(warehouse().load(parts, [{ name: 'x', type: 'integer' }], once([['1.5']]))).rejects.toThrow(
          'is not a whole number',
        )
        expect(await warehouse().tables(parts.slice(0, -1), parts.at(-1) ?? '')).toEqual([])
      })
    })

    describe('streams', () => {
      const numbers = (count: number) => {
        const ten = join(
          Array.from({ length: 10 }, (_, digit) => sql`select ${digit} as d`),
          ' union all ',
        )
        return sql`with ten as (${ten}), million as (select a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 100000 * f.d as i
          from ten a, ten b, ten c, ten d, ten e, ten f) select i from million where i < ${count} order by i`
      }

      test('reads a million rows in order, chunk by chunk', async () => {
        let expected = 0
        let disorder = 0
        let largest = 0
        for await (const chunk of warehouse().stream(statement(numbers(1_000_000)), { chunkRows: 20_000 })) {
          largest = Math.max(largest, chunk.length)
          for (const row of chunk) {
            if (Number(row.i) !== expected) disorder += 1
            expected += 1
          }
        }
        expect({ expected, disorder }).toEqual({ expected: 1_000_000, disorder: 0 })
        expect(largest).toBeLessThanOrEqual(20_000)
      })

      test('ends at once when there is nothing', async () => {
        expect(await collect(warehouse().stream(statement(numbers(0))))).toEqual([])
      })

      test('lets other statements run while it is being read, and sees none of their changes', async () => {
        const table = await load(
          [{ name: 'x', type: 'integer' }],
          Array.from({ length: 5 }, (_, index) => [String(index)]),
        )
        const seen: Row[] = []
        for await (const chunk of warehouse().stream(statement(raw(`select x from ${table.relation} order by x`)), {
          chunkRows: 2,
        })) {
          await execute(raw(`delete from ${table.relation} where x >= 0`))
          seen.push(...chunk)
        }
        expect(seen).toEqual([{ x: 0 }, { x: 1 }, { x: 2 }, { x: 3 }, { x: 4 }])
      })

      test('may be left early, and read twice at the same time', async () => {
        for await (const chunk of warehouse().stream(statement(numbers(100)), { chunkRows: 10 })) {
          expect(chunk).toHaveLength(10)
          break
        }
        const [left, right] = await Promise.all([
          collect(warehouse().stream(statement(numbers(1000)))),
          collect(warehouse().stream(statement(numbers(2000)))),
        ])
        expect([left.length, right.length]).toEqual([1000, 2000])
      })

      test('throws when a row late in the result fails, instead of ending early', async () => {
        const failingLate = sql`select cast(case when i = 999000 then 'not a number' else ${'1'} end as ${raw(dialect().stateType('bigint'))}) as x from (${numbers(1_000_000)}) n`
        await expect(collect(warehouse().stream(statement(failingLate)))).rejects.toThrow('A3010')
      })
    })

    test('a stream that is cut off throws', async () => {
      const { warehouse: other, cleanup } = await open()
      const stream = other.stream(
        { sql: 'select 1 as n union all select 2 union all select 3', params: [] },
        { chunkRows: 1 },
      )
      const chunks = stream[Symbol.asyncIterator]()
      expect((await chunks.next()).value).toHaveLength(1)
      await other.close()
      await expect(chunks.next()).rejects.toThrow('A3013')
      await cleanup()
    })

    test('a query that is cancelled throws, and so does all that comes after', async () => {
      const { warehouse: other, cleanup } = await open()
      const ten = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(' union all ')
      const endless = `with ten as (${ten}) select count(*) as n from ${Array.from({ length: 14 }, (_, index) => `ten t${index}`).join(', ')} where t0.d + t13.d > 3`
      const running = expect(other.query({ sql: endless, params: [] })).rejects.toThrow('A3011')
      const waiting = expect(other.query({ sql: 'select 1 as n', params: [] })).rejects.toThrow('A3013')
      await new Promise(resolve => setTimeout(resolve, 50))
      await other.close()
      await Promise.all([running, waiting])
      await expect(other.query({ sql: 'select 1 as n', params: [] })).rejects.toThrow('A3013')
      await cleanup()
    })
  })
}

function named(columns: readonly Column[], name: string): Column {
  const column = columns.find(candidate => candidate.name === name)
  if (column === undefined) throw new Error(`no column ${name}`)
  return column
}

async function* once<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows
}

async function* failing<T>(rows: readonly T[]): AsyncGenerator<readonly T[]> {
  yield rows
  throw new Error('the file ended')
}

async function collect(stream: AsyncIterable<readonly Row[]>): Promise<readonly Row[]> {
  const all: Row[] = []
  for await (const chunk of stream) all.push(...chunk)
  return all
}
