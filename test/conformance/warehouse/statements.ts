/** What goes in and comes out of statements and transactions; descriptions, tables, models. */
import { describe, expect, test } from 'vitest'
import type { ColumnType } from '../../../src/project/project.ts'
import { raw, sql, type Value } from '../../../src/warehouse/sql.ts'
import { oddIdentifiers, oddTexts } from './odd.ts'
import { once, type Trial } from './trial.ts'

export function describeStatements(trial: Trial): void {
  const { warehouse, dialect, statement, rows, execute, fresh, load } = trial
  describe('statements', () => {
    test('binds values of every type', async () => {
      const params: Value[] = ['日本 $1', 1.5, 7, 2 ** 40, 2n ** 62n, true, null, '', -0.25]
      const list = params.map((_, index) => `${dialect().placeholder(index)} as c${index}`).join(', ')
      const [row] = await warehouse().query({ sql: `select ${list}`, params })
      expect(Object.values(row ?? {})).toEqual(params)
    })

    test('returns exact numbers, and decimals with every digit', async () => {
      const bigint = dialect().stateType('bigint')
      const [row] = await rows(
        raw(
          `select cast(9007199254740991 as ${bigint}) as safe, cast(9007199254740993 as ${bigint}) as big, cast('1.50' as decimal(20, 2)) as dec, count(*) as n, ${dialect().castTo(`'{"a":1}'`, 'json')} as j from (select 1) one`,
        ),
      )
      expect(row).toEqual({
        safe: 9007199254740991,
        big: 9007199254740993n,
        dec: trial.abilities.decimal ?? '1.50',
        n: 1,
        j: '{"a":1}',
      })
    })

    test('keeps odd identifiers and odd texts', async () => {
      const names = trial.abilities.names?.columns ?? oddIdentifiers
      const parts = [...warehouse().state, trial.abilities.names?.table ?? 'odd "table" 日本']
      const columns = names.map(column => ({ name: column, type: 'string' as const }))
      const row = names.map((_, index) => oddTexts[index] ?? null)
      await warehouse().load(parts, columns, once([row]))
      expect(await rows(raw(`select * from ${dialect().relation(parts)}`))).toEqual([
        Object.fromEntries(names.map((column, index) => [column, row[index]])),
      ])
      expect((await warehouse().describe(dialect().relation(parts))).map(column => column.name)).toEqual(names)
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
        statement(sql`update ${mine} as q set gone = ${1} where not exists (select 1 from ${other} f where f.k = q.k)`),
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

    test('names the columns of all tables of a schema at once, or leaves each to be asked', async () => {
      const schema = warehouse().state
      const columns = `(${dialect().quote('select')} ${dialect().stateType('bigint')}, b ${dialect().stateType('text')})`
      await execute(raw(`create table ${dialect().relation([...schema, 'told__a'])} ${columns}`))
      await execute(raw(`create view ${dialect().relation([...schema, 'told__view'])} as select 1 as n`))
      const told = await warehouse().columns(schema)
      expect(told?.has('told__view') ?? false).toBe(false)
      expect(new Set(told?.get('told__a') ?? ['select', 'b'])).toEqual(new Set(['select', 'b']))
      expect(told === undefined).toBe(dialect().billsByColumn)
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
}
