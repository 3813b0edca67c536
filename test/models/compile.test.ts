import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkContract } from '../../src/models/checks.ts'
import { compileModels, dependencies } from '../../src/models/compile.ts'
import { column, helpOf, model, options, problemsOf, project, source } from './project.ts'
import { openTestWarehouse, type TestWarehouse } from './warehouse.ts'

describe('the SQL of a model', () => {
  const orders = source('orders', { table: ['shop', 'main', 'orders'] })

  test('ephemeral models become CTEs, each once, before whoever reads them', () => {
    const models = [
      model('top', 'select * from {{ref "left"}} join {{ref "right"}} using (id)'),
      model('left', 'select id from {{ref "base"}}'),
      model('right', 'select id from {{ref "base"}} -- both\n;'),
      model('base', 'select id\nfrom {{source "orders"}}'),
    ]
    const compiled = compileModels(project({ models, sources: [orders] }), options)
    expect(compiled.order).toEqual(['base', 'left', 'right', 'top'])
    expect(compiled.model('top').sql).toBe(`with "__model__base" as (
select id
from "shop"."main"."orders"
),
"__model__left" as (
select id from "__model__base"
),
"__model__right" as (
select id from "__model__base"
)
select * from "__model__left" join "__model__right" using (id)`)
    expect(compiled.model('top').dependsOn).toEqual({ models: ['left', 'right'], sources: [] })
    expect(compiled.model('base').dependsOn).toEqual({ models: [], sources: ['orders'] })
    expect(compiled.model('top')).toMatchObject({ relation: undefined, create: [] })
  })

  test('a source that has the name of a model keeps its own relation', () => {
    const models = [model('orders', 'select id from {{source "orders"}} where id > 0')]
    const compiled = compileModels(project({ models, sources: [orders] }), options)
    expect(compiled.sourceOf('orders')).toBe('"shop"."main"."orders"')
    expect(compiled.relationOf('orders')).toContain('where id > 0')
    expect(problemsOf(() => compiled.sourceOf('others'))[0]).toContain('A2005')
  })

  test('a model with CTEs of its own becomes a subquery, so that no name of it hides a table', () => {
    const models = [
      model('base', 'select id from orders'),
      model('top', 'with orders as (select id from {{ref "base"}}) select * from orders'),
    ]
    expect(compileModels(project({ models }), options).model('top').sql).toBe(`with "__model__base" as (
select id from orders
)
select * from (
with orders as (select id from "__model__base") select * from orders
) as "__model__"`)
  })

  test('views and tables are relations in the state schema, made in order before they are read', () => {
    const models = [
      model('top', 'select * from {{ref "middle"}}'),
      model('middle', 'select * from {{ref "wide"}}', { materialised: 'view' }),
      model('wide', 'select * from {{ref "base"}}', { materialised: 'table' }),
      model('base', 'select 1 as id'),
      model('unrelated', 'select 2 as id', { materialised: 'view' }),
    ]
    const compiled = compileModels(project({ models }), options)
    expect(compiled.model('top').sql).toBe('select * from "memory"."activate"."model__middle"')
    const wide = 'with "__model__base" as (\nselect 1 as id\n)\nselect * from "__model__base"'
    const { createModel } = options.dialect
    expect(compiled.statementsFor('top')).toEqual([
      ...createModel('"memory"."activate"."model__wide"', wide, 'table'),
      ...createModel('"memory"."activate"."model__middle"', 'select * from "memory"."activate"."model__wide"', 'view'),
    ])
    expect(compiled.statementsFor('wide')).toEqual([])
    expect(compiled.model('wide').create).toHaveLength(2)
  })

  test('models that only a declared test reads are made as well', () => {
    const related = { test: 'relationships', to: 'parents', column: 'id' } as const
    const models = [
      model('child', 'select 1 as id', {
        columns: [column('id', 'integer', [related])],
        tests: [{ test: 'sql', name: 't', sql: 'select * from {{ref "others"}} where false' }],
      }),
      model('parents', 'select 1 as id', { materialised: 'view' }),
      model('others', 'select 1 as id', { materialised: 'view' }),
    ]
    const compiled = compileModels(project({ models }), options)
    expect(compiled.statementsFor('child').filter(each => each.startsWith('create'))).toEqual([
      'create or replace view "memory"."activate"."model__parents" as select 1 as id',
      'create or replace view "memory"."activate"."model__others" as select 1 as id',
    ])
  })

  test('a file is read where it lies when the warehouse can, with its declared types, and seeded otherwise', () => {
    const columns = [column('id', 'string'), column('total', 'number'), column('note')]
    const files = project({
      sources: [source('o', { csv: '/data/o.csv' }, { columns })],
      models: [model('m', 'from {{source "o"}}')],
    })
    const asked: unknown[] = []
    const dialect = {
      ...options.dialect,
      fileRelation: (...all: unknown[]) => {
        asked.push(all)
        return undefined
      },
    }
    expect(compileModels(files, { ...options, dialect }).model('m').sql).toBe('from "memory"."activate"."seed__o"')
    expect(asked).toEqual([
      [
        { csv: '/data/o.csv' },
        [
          { name: 'id', type: 'string' },
          { name: 'total', type: 'number' },
        ],
      ],
    ])
    expect(compileModels(files, options).model('m').sql).toContain("read_csv('/data/o.csv'")
  })

  test('what does not exist is asked for in vain', () => {
    const compiled = compileModels(project({ models: [model('m', 'select 1')] }), options)
    expect(problemsOf(() => compiled.model('n'))).toHaveLength(1)
    expect(problemsOf(() => compiled.relationOf('n'))).toHaveLength(1)
  })
})

describe('the graph', () => {
  test('a circle is shown as a path, at the ref that closes it', () => {
    const models = [
      model('a', 'select * from {{ref "b"}}'),
      model('b', 'select *\nfrom {{ref "c"}}'),
      model('c', 'select *\nfrom t\njoin {{ref "a"}}', { templateLine: 5 }),
      model('d', 'select * from {{ref "d"}}'),
      model('e', 'select * from {{ref "a"}}'),
    ]
    const work = () => compileModels(project({ models }), options)
    expect(problemsOf(work)).toEqual([
      'A2010 models/c.sql:7:6 models refer to each other in a circle: a -> b -> c -> a',
      'A2010 models/d.sql:1:15 models refer to each other in a circle: d -> d',
    ])
    expect(helpOf(work)).toEqual(['take one of these refs out', 'take one of these refs out'])
  })

  test('a long chain is no problem', () => {
    const chain = Array.from({ length: 3_000 }, (_, index) =>
      model(`m${index}`, index === 0 ? 'select 1' : `select * from {{ref "m${index - 1}"}}`, { materialised: 'view' }),
    ).reverse()
    expect(compileModels(project({ models: chain }), options).order[0]).toBe('m0')
  })

  test('problems of all models, tests and sources come together', () => {
    const broken = { test: 'sql', name: 'fine', sql: 'delete from {{this}}' } as const
    const related = { test: 'relationships', to: 'ordres', column: 'id' } as const
    const sources = [source('orders', { table: ['o'] }, { tests: [broken] })]
    const models = [
      model('a', 'select {{nope}}', { columns: [column('id', 'string', [related])] }),
      model('b', 'select 1; select 2'),
    ]
    expect(problemsOf(() => compileModels(project({ models, sources }), options))).toEqual([
      'A2003 models/a.sql:1:8 "nope" is not a helper',
      'A2011 models/b.sql:1:11 a second statement starts here',
      'A2012 activate.yml:1:1 test "fine": the SQL is not a select',
      'A2005 activate.yml:1:1 the relationships test of a.id names "ordres", which does not exist',
    ])
  })

  test('dependencies name models and sources, for selectors', () => {
    const models = [model('a', 'from {{ref "b"}}, {{source "s"}}, {{ref "b"}}'), model('b', 'select 1')]
    const files = project({ models, sources: [source('s', { table: ['s'] })] })
    const warehouse = { type: 'postgres', url: [], state: 'activate', pool: 1, workMem: '64MB' } as const
    expect(dependencies({ ...files, warehouse })).toEqual({ a: ['b', 'source:s'], b: [] })
  })
})

describe('on DuckDB', () => {
  let opened: TestWarehouse
  beforeAll(async () => {
    opened = await openTestWarehouse()
    await opened.run('create table memory.main.orders as select * from (values (1, 10), (2, 20), (3, 30)) t(id, total)')
  })
  afterAll(() => opened.close())

  const orders = source('orders', { table: ['memory', 'main', 'orders'] })

  async function result(files: Parameters<typeof project>[0], name = 'm') {
    const compiled = compileModels(project({ sources: [orders], ...files }), {
      ...options,
      state: opened.warehouse.state,
    })
    await opened.run(...compiled.statementsFor(name))
    const { sql } = compiled.model(name)
    const direct = await opened.rows(`select * from (${sql}) as t order by all`)
    await opened.run(`create or replace temp table stage as ${sql}`)
    expect(await opened.rows('select * from stage order by all')).toEqual(direct)
    expect(await opened.warehouse.describe(sql)).not.toEqual([])
    return direct
  }

  const big = model('big', 'select id, total from {{source "orders"}} where total >= {{var "least"}} -- big ones')
  const vars = { least: 20 }

  test.each([
    ['a select', 'select id from {{ref "big"}}'],
    ['a from', 'from {{ref "big"}} select id'],
    [
      'a union in parentheses',
      '(select id from {{ref "big"}} where id = 2) union all (select id from {{ref "big"}} where id = 3)',
    ],
    ['CTEs', 'with orders as (select id from {{ref "big"}}) select id from orders'],
    [
      'a recursive CTE',
      'with recursive n(id) as (select min(id) from {{ref "big"}} union all select id + 1 from n where id < 3) select id from n',
    ],
    [
      'CTEs in any case, after a comment',
      '/* why */ WITH a AS (select id from {{ref "big"}}) select id from a order by id desc limit 5',
    ],
    ['a partial', 'select id from {{ref "big"}} {{> filter}}'],
  ])('%s reads an ephemeral model', async (_, sql) => {
    const partials = { filter: 'where total in (\n  select total from {{ref "big"}}\n)' }
    expect(await result({ models: [big, model('m', sql)], vars, partials })).toEqual(
      [[2n], [3n]].map(row => row.map(Number)),
    )
  })

  test.each(['view', 'table'] as const)('a model reads a %s that reads an ephemeral model', async materialised => {
    const middle = model('middle', 'with a as (select id from {{ref "big"}}) from a', { materialised })
    const m = model('m', 'select id from {{ref "middle"}}')
    expect(await result({ models: [m, middle, big], vars })).toEqual([[2], [3]])
  })

  test('an ephemeral model with CTEs of its own is read by another', async () => {
    const inner = model('inner', 'with orders as (select id from {{ref "big"}}) from orders')
    expect(
      await result({ models: [big, inner, model('m', 'with orders as (from {{ref "inner"}}) from orders')], vars }),
    ).toEqual([[2], [3]])
  })

  test('no CTE of a reader hides the table that an ephemeral model reads', async () => {
    const base = model('base', 'select count(*) as n from orders')
    const m = model('m', 'with recursive orders as (select 1 as x) select n from {{ref "base"}}, orders')
    expect(await result({ models: [base, m] })).toEqual([[3]])
  })

  test("the clock is the run's own", async () => {
    const m = model(
      'm',
      'select {{run_date}}::varchar as d, epoch_ms({{run_at}}) as at, {{run_date}} - interval 30 day < {{run_at}} as before',
    )
    expect(await result({ models: [m] })).toEqual([['2026-03-01', options.asOf, true]])
  })

  test('a csv is read by its declared types, blanks are NULL', async () => {
    const csv = join(opened.folder, 'orders.csv')
    await writeFile(csv, 'id,total,on\n001,1.5,2026-03-01\n002, ,\n')
    const columns = [column('id', 'string'), column('total', 'number'), column('on', 'date')]
    const files = {
      sources: [source('files', { csv }, { columns })],
      models: [model('m', 'select id, total, "on"::varchar from {{source "files"}} f')],
    }
    expect(await result(files)).toEqual([
      ['001', 1.5, '2026-03-01'],
      ['002', null, null],
    ])
  })

  describe('with files read once a night', () => {
    const night = async (files: Parameters<typeof project>[0]) => {
      const csv = join(opened.folder, 'people.csv')
      await writeFile(csv, 'id\n1\n2\n')
      const people = source('people', { csv }, { columns: [column('id', 'integer')] })
      const { state } = opened.warehouse
      return compileModels(project({ sources: [people], ...files }), { ...options, state, stageFiles: true })
    }

    test('models read the staged rows, not the file', async () => {
      const compiled = await night({ models: [model('m', 'select id from {{source "people"}}')] })
      await opened.run(...compiled.statementsFor('m'))
      await writeFile(join(opened.folder, 'people.csv'), 'id\n7\n')
      expect(await opened.rows(`${compiled.model('m').sql} order by id`)).toEqual([[1], [2]])
    })

    test('a file that only a declared test reads is there too', async () => {
      const related = { test: 'relationships', to: 'people', column: 'id' } as const
      const missing = {
        test: 'sql',
        name: 'known',
        sql: 'from {{this}} where id not in (from {{source "people"}})',
      } as const
      for (const contract of [{ columns: [column('id', 'integer', [related])] }, { tests: [missing] }]) {
        await opened.run('drop table if exists temp.main.source__people')
        const compiled = await night({ models: [model('m', 'select 1 as id', contract)] })
        await opened.run(...compiled.statementsFor('m'))
        const { columns = [], tests = [] } = contract
        const asked = { columns, tests, place: column('id').place }
        const { results } = await checkContract(opened.warehouse, '(select 3 as id)', asked, compiled)
        expect(results.map(result => result.kind)).toEqual(['failed'])
      }
    })

    test('a view outlives the night, so it reads the file itself', async () => {
      const models = [
        model('base', 'select id from {{source "people"}}'),
        model('v', 'select id from {{ref "base"}}', { materialised: 'view' }),
        model('t', 'select id from {{ref "base"}}', { materialised: 'table' }),
        model('m', 'select id from {{ref "v"}} union all select id from {{ref "t"}}'),
      ]
      const compiled = await night({ models })
      await opened.run(...compiled.statementsFor('m'), 'drop table temp.main.source__people')
      expect(await opened.rows(`select count(*) from (${compiled.model('m').sql})`)).toEqual([[4]])
    })
  })
})
