import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { columnOf, fieldsOf, openNights, type PlanNights } from './plan-nights.ts'

let nights: PlanNights
beforeEach(async () => {
  nights = await openNights()
})
afterEach(() => nights.close())

const remembered = async () => (await nights.rows('runs')).map(row => row.columns)

describe('a column that has changed its type', () => {
  test('stops the plan at the field that maps it', async () => {
    await nights.night(`select 'a' as id, 1 as v`)
    await expect(nights.plan(`select 'a' as id, 'x' as v`)).rejects.toMatchObject({
      exit: 'failed',
      problems: [
        {
          code: 'A4050',
          message: 'the column "v" was integer when the sync last ran and is string now',
          place: { file: 'syncs/s.yml' },
          help: 'cast it in the model, or declare there that it is meant: columns: { v: { type: string } }',
        },
      ],
    })
  })

  test('stops the plan when a template names it, or the key is made of it', async () => {
    const sync = { fields: fieldsOf({ t: { template: '{{#if w}}{{v}}{{else}}-{{/if}}' } }) }
    await nights.night(`select 1 as id, 1 as v, 'x' as w`, { sync })
    await expect(nights.plan(`select '1' as id, 'x' as v, true as w`, { sync })).rejects.toMatchObject({
      problems: [
        { code: 'A4050', place: { file: 'models/m.sql' } },
        { code: 'A4050', place: { file: 'syncs/s.yml' } },
        { code: 'A4050', place: { file: 'syncs/s.yml' } },
      ],
    })
  })

  test('is deliberate when the model declares it, and the rows that differ are sent again', async () => {
    await nights.night(`select 'a' as id, 1 as v`)
    const plan = await nights.night(`select 'a' as id, '1' as v`, { columns: [columnOf('v', 'string')] })
    expect([plan.changes.change, plan.warnings]).toEqual([
      1,
      ['the column "v" was integer and is string now, as declared: rows that differ are sent again'],
    ])
    expect((await nights.plan(`select 'a' as id, '1' as v`)).warnings).toEqual([])
  })

  test('from whole numbers to others is only said', async () => {
    await nights.night(`select 'a' as id, 1 as v`)
    const plan = await nights.plan(`select 'a' as id, 1.5::double precision as v`)
    expect([plan.changes.change, plan.warnings]).toEqual([1, ['the column "v" was integer and is number now']])
  })

  test('is nobody’s business when the sync does not use it', async () => {
    await nights.night(`select 'a' as id, 1 as v, 1 as w`)
    expect((await nights.plan(`select 'a' as id, 1 as v, 'x' as w`)).warnings).toEqual([])
  })
})

describe('the columns of a run', () => {
  test('are remembered, and a new one is mentioned once', async () => {
    await nights.night(`select 'a' as id, 1 as v`)
    const plan = await nights.night(`select 'a' as id, 1 as v, now() as w`)
    expect(plan.warnings).toEqual(['the model has a new column "w" (timestamp)'])
    expect((await nights.plan(`select 'a' as id, 1 as v, now() as w`)).warnings).toEqual([])
    expect(await remembered()).toEqual([
      '{"id":"string","v":"integer"}',
      '{"id":"string","v":"integer","w":"timestamp"}',
    ])
  })

  test('are those of the last run that had rows: an empty file has no types to compare', async () => {
    const guard = { minRows: 0, mappingChange: 'pass' } as const
    await nights.night(`select 'a' as id, 1 as v`)
    await nights.night(`select 'a' as id, 'x' as v where false`, { sync: { guard } })
    expect(await remembered()).toEqual(['{"id":"string","v":"integer"}', null])
    await expect(nights.plan(`select 'a' as id, 'x' as v`)).rejects.toMatchObject({ problems: [{ code: 'A4050' }] })
  })

  test('come to a state that an earlier version of the tool made, whose runs remember none', async () => {
    const old = `create table activate.runs as select 's__0' as run_id, 's' as sync, now() as as_of, now() as started_at,
      now() as settled_at, 'succeeded' as status, '{"fields":{}}' as mapping, '{}' as plan, '{}' as outcomes`
    await nights.warehouse.execute({ sql: old, params: [] })
    await nights.night(`select 'a' as id, 1 as v`)
    expect(await remembered()).toEqual([null, '{"id":"string","v":"integer"}'])
  })
})
