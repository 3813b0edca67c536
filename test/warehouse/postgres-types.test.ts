/** Types that only PostgreSQL has, or names in its own way. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { raw, render } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { openState } from './postgres-state.ts'

describe.skipIf(postgresMissing !== undefined)('PostgreSQL', () => {
  let server: PostgresServer
  let warehouse: Warehouse
  beforeAll(async () => {
    server = await startPostgres()
    warehouse = (await openState(server)).warehouse
    await warehouse.execute({ sql: "create type public.mood as enum ('glad', 'sad')", params: [] })
  })
  afterAll(async () => {
    await warehouse.close()
    await server.stop()
  })

  test.each<[string, string, string, string | null, string]>([
    ["cast('ab' as varchar(5))", 'character varying(5)', 'string', 'ab', '{"x":"ab"}'],
    ["cast('ab' as char(5))", 'character(5)', 'string', 'ab', '{"x":"ab"}'],
    ["cast('glad' as public.mood)", 'mood', 'string', 'glad', '{"x":"glad"}'],
    [
      "cast('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' as uuid)",
      'uuid',
      'string',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      '{"x":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}',
    ],
    ['cast(7 as smallint)', 'smallint', 'integer', '7', '{"x":7}'],
    ['cast(0.1 as real)', 'real', 'number', '0.1', '{"x":0.1}'],
    ["cast('1.500' as numeric)", 'numeric', 'number', '1.5', '{"x":1.5}'],
    ["cast('9007199254740993' as numeric)", 'numeric', 'number', '9007199254740993', '{"x":"9007199254740993"}'],
    ["cast('1e400' as numeric) / cast('1e399' as numeric)", 'numeric', 'number', '10', '{"x":10}'],
    [
      "cast('2026-03-01 02:00:00.5' as timestamp(3))",
      'timestamp(3) without time zone',
      'timestamp',
      '2026-03-01T02:00:00.5',
      '{"x":"2026-03-01T02:00:00.5"}',
    ],
    [
      "cast('2026-03-01 02:00:00+02' as timestamptz)",
      'timestamp with time zone',
      'timestamp',
      '2026-03-01T00:00:00Z',
      '{"x":"2026-03-01T00:00:00Z"}',
    ],
    [
      `cast('{"b": [1, " : , "], "a": null}' as json)`,
      'json',
      'json',
      '{"b":[1," : , "],"a":null}',
      '{"x":{"b":[1," : , "],"a":null}}',
    ],
    [
      `cast('{"b": [1, " : , "], "a": null}' as jsonb)`,
      'jsonb',
      'json',
      '{"a":null,"b":[1," : , "]}',
      '{"x":{"a":null,"b":[1," : , "]}}',
    ],
    ["array['a', null, 'b, c']", 'text[]', 'json', '["a",null,"b, c"]', '{"x":["a",null,"b, c"]}'],
    ["cast('\\x6162' as bytea)", 'bytea', 'other', '6162', '{"x":"6162"}'],
    ["interval '90 minutes'", 'interval', 'other', '01:30:00', '{"x":"01:30:00"}'],
  ])('knows %s as %s, a %s, written as %s', async (expression, native, type, text, json) => {
    const [column] = await warehouse.describe(`select ${expression} as x`)
    expect(column).toEqual({ name: 'x', type, native })
    if (column === undefined) return
    const { asText, jsonObject } = warehouse.dialect
    const object = jsonObject([{ name: 'x', expression, column }])
    const [row] = await warehouse.query({
      sql: `select ${asText(expression, column)} as t, ${object} as j`,
      params: [],
    })
    expect(row).toEqual({ t: text, j: json })
    const digest = raw(`select ${warehouse.dialect.rowDigest([{ expression, column }])} as d`)
    expect((await warehouse.query(render(digest, () => '')))[0]?.d).not.toBeNull()
  })

  test('rounds to the type that a column has', async () => {
    const { round, asText } = warehouse.dialect
    const rounded = async (expression: string, native: string, digits: number) => {
      const column = { type: 'number', native } as const
      const [row] = await warehouse.query({
        sql: `select ${asText(round(expression, digits, column), column)} as t`,
        params: [],
      })
      return row?.t
    }
    expect(await rounded('cast(2.345 as numeric(12,3))', 'numeric(12,3)', 2)).toBe('2.35')
    expect(await rounded('cast(2.5 as double precision)', 'double precision', 0)).toBe('3')
    expect(await rounded('cast(7 as bigint)', 'bigint', 2)).toBe('7')
    expect(await rounded('cast(2.25 as double precision)', 'DOUBLE', 1)).toBe('2.3')
  })
})
