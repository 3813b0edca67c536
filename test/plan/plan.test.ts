import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ColumnType, FieldSource } from '../../src/project/project.ts'
import { columnOf, fieldsOf, model, openNights, type PlanNights } from './plan-nights.ts'

let nights: PlanNights
beforeEach(async () => {
  nights = await openNights()
})
afterEach(() => nights.close())

const day = (n: number) => `2026-03-${String(n).padStart(2, '0')}T02:00:00.000Z`

describe('diff', () => {
  test('plans only what entered, changed or left since the last acknowledged night', async () => {
    await nights.night(model({ a: 'x', b: 'x', c: 'x' }))
    const plan = await nights.plan(model({ a: 'x', b: 'y', d: 'x' }))
    expect(plan.changes).toEqual({ enter: 1, change: 1, leave: 1 })
    expect(plan.rows).toEqual({ model: 3, quarantined: 0, ineligible: 0, population: 3, unchanged: 1 })
    expect((await nights.outbox()).map(row => [row.seq, row.key, row.op, row.payload])).toEqual([
      [1, 'b', 'change', '{"v":"y"}'],
      [2, 'd', 'enter', '{"v":"x"}'],
      [3, 'c', 'leave', '{"v":"x"}'],
    ])
  })

  test('sends nothing on a repeated night', async () => {
    await nights.night(model({ a: 'x' }))
    expect((await nights.plan(model({ a: 'x' }))).decisions).toEqual({
      send: 0,
      withhold: 0,
      defer: 0,
      skip: 0,
      blocked: 0,
    })
  })

  test.each<[string, string, ColumnType, string, string]>([
    ['1', 'a number', 'integer', `select 'a' as id, '1' as v`, `select 'a' as id, 1 as v`],
    ['null', 'an empty text', 'string', `select 'a' as id, null::varchar as v`, `select 'a' as id, '' as v`],
    ['null', 'the text null', 'string', `select 'a' as id, null::varchar as v`, `select 'a' as id, 'null' as v`],
    ['true', 'the text true', 'string', `select 'a' as id, true as v`, `select 'a' as id, 'true' as v`],
    ['true', 'the number 1', 'integer', `select 'a' as id, true as v`, `select 'a' as id, 1 as v`],
    [
      '1.50',
      '150 cents',
      'integer',
      `select 'a' as id, 1.50::decimal(6,2) as v`,
      `select 'a' as id, 150::integer as v`,
    ],
    [
      'a date',
      'its number of days',
      'integer',
      `select 'a' as id, date '2026-03-01' as v`,
      `select 'a' as id, 20513 as v`,
    ],
    ['NFC', 'NFD', 'string', `select 'a' as id, 'é' as v`, `select 'a' as id, 'e\u0301' as v`],
  ])('tells %s from %s', async (_before, _after, type, before, after) => {
    await nights.night(before)
    expect((await nights.plan(after, { columns: [columnOf('v', type)] })).changes.change).toBe(1)
  })

  test.each([
    [
      'a decimal written with more digits',
      `select 'a' as id, 1.50::decimal(6,2) as v`,
      `select 'a' as id, 1.5::decimal(8,1) as v`,
    ],
    ['an integer of another width', `select 'a' as id, 7::bigint as v`, `select 'a' as id, 7::smallint as v`],
    ['columns in another order', `select 'a' as id, 'x' as v, 1 as w`, `select 1 as w, 'x' as v, 'a' as id`],
    ['a column that is not mapped', `select 'a' as id, 'x' as v, 1 as w`, `select 'a' as id, 'x' as v, 2 as w`],
  ])('does not flap on %s', async (_case, before, after) => {
    await nights.night(before)
    expect((await nights.plan(after)).changes).toEqual({ enter: 0, change: 0, leave: 0 })
  })

  test('keeps composite keys apart whatever their texts hold', async () => {
    const rows = `select * from (values ('a', 'b|c', 1), ('a|b', 'c', 2)) t(x, y, v)`
    await nights.night(rows, { key: ['x', 'y'] })
    expect((await nights.snapshot()).map(row => row.key)).toEqual(['["a","b|c"]', '["a|b","c"]'])
  })

  test('counts a return as a new entry with a new episode, a new version and a new change id', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const [first] = await nights.rows('deliveries')
    await nights.night(model({ b: 'x' }))
    const plan = await nights.night(model({ a: 'x', b: 'x' }))
    expect(plan.changes).toEqual({ enter: 1, change: 0, leave: 0 })
    const [a] = await nights.snapshot()
    expect(a).toMatchObject({ key: 'a', episode: 2, version: 3, standing: 'member' })
    expect(new Set((await nights.rows('deliveries')).map(row => row.change_id)).size).toBe(4)
    expect(first).toMatchObject({ key: 'a', op: 'enter', outcome: 'acked' })
  })
})

describe('settle', () => {
  test('moves the snapshot only for what was acknowledged', async () => {
    const plan = await nights.night(model({ a: 'x', b: 'x', c: 'x', d: 'x' }), {
      rejected: ['b'],
      parked: ['c'],
      pending: ['d'],
    })
    expect(plan.decisions.send).toBe(4)
    expect((await nights.snapshot()).map(row => row.key)).toEqual(['a'])
    expect((await nights.rows('decisions')).map(row => [row.key, row.outcome])).toEqual([
      ['a', 'acked'],
      ['b', 'rejected'],
      ['c', 'parked'],
      ['d', 'pending'],
    ])
  })

  test('changes nothing when it is repeated', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { rejected: ['b'] })
    const tables = async () =>
      Promise.all([
        nights.snapshot(),
        ...['deliveries', 'decisions', 'rejections', 'unresolved', 'runs'].map(nights.rows),
      ])
    const before = await tables()
    await nights.settleAgain()
    expect(await tables()).toEqual(before)
  })

  test('gives an unsent change the same change id on the next night, and a new one once its row changed', async () => {
    const id = async () => (await nights.outbox()).map(row => row.change_id)
    await nights.night(model({ a: 'x' }), { pending: ['a'] })
    const first = await id()
    await nights.plan(model({ a: 'x' }))
    expect(await id()).toEqual(first)
    await nights.plan(model({ a: 'y' }))
    expect(await id()).not.toEqual(first)
  })
})

describe('modes', () => {
  const both = (mode: 'upsert' | 'update' | 'insert' | 'mirror' | 'audience' | 'append') => async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { sync: { mode } })
    return nights.plan(model({ a: 'y', c: 'x' }), { sync: { mode } })
  }
  test.each([
    ['upsert', ['change', 'enter'], 1],
    ['update', ['change'], 2],
    ['insert', ['enter'], 2],
    ['mirror', ['change', 'enter', 'leave'], 0],
    ['audience', ['enter', 'leave'], 1],
    ['append', ['enter'], 2],
  ] as const)('%s sends on %j and leaves the rest alone', async (mode, sent, leftAlone) => {
    const plan = await both(mode)()
    expect((await nights.outbox()).filter(row => row.decision === 'send').map(row => row.op)).toEqual(sent)
    expect(plan.reasons['mode.left_alone'] ?? 0).toBe(leftAlone)
  })

  test('remembers a leaver that is left alone, and shows it once', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { sync: { mode: 'upsert' } })
    expect((await nights.night(model({ a: 'x' }), { sync: { mode: 'upsert' } })).changes.leave).toBe(1)
    expect((await nights.plan(model({ a: 'x' }), { sync: { mode: 'upsert' } })).changes.leave).toBe(0)
  })

  test('append never sends a key twice, even when it returns', async () => {
    const sync = { mode: 'append' } as const
    await nights.night(model({ a: 'x', b: 'x' }), { sync })
    await nights.night(model({ b: 'x' }), { sync })
    const plan = await nights.plan(model({ a: 'x', b: 'x' }), { sync })
    expect([plan.changes.enter, plan.decisions.send, plan.decisions.skip]).toEqual([1, 0, 1])
  })
})

describe('trigger', () => {
  const trigger = (reentry: 'never' | 'always' | { after: number }, firstRun: 'baseline' | 'send' = 'baseline') => ({
    mode: 'trigger' as const,
    trigger: { on: 'enter' as const, reentry, firstRun },
  })
  const someone = { z: 'x' }

  test('remembers everyone on the first night and sends nothing', async () => {
    const plan = await nights.night(model({ a: 'x', b: 'x' }), { sync: trigger('always') })
    expect([plan.decisions.send, plan.reasons]).toEqual([0, { 'first_run.baseline': 2 }])
    const next = await nights.plan(model({ a: 'x', b: 'x', c: 'x' }), { sync: trigger('always') })
    expect([next.changes.enter, next.decisions.send]).toEqual([1, 1])
  })

  test('sends on the first night when told to', async () => {
    expect((await nights.plan(model({ a: 'x' }), { sync: trigger('always', 'send') })).decisions.send).toBe(1)
  })

  test.each([
    ['never', 'never' as const, 40, 0],
    ['always', 'always' as const, 3, 1],
    ['within its time', { after: 10 * 86_400_000 }, 9, 0],
    ['after its time', { after: 10 * 86_400_000 }, 20, 1],
  ])('re-entry %s', async (_name, reentry, days, sends) => {
    const sync = trigger(reentry, 'send')
    await nights.night(model({ a: 'x', ...someone }), { sync, asOf: day(1) })
    await nights.night(model(someone), { sync, asOf: day(2) })
    const later = new Date(Date.parse(day(1)) + days * 86_400_000).toISOString()
    const plan = await nights.plan(model({ a: 'x', ...someone }), { sync, asOf: later })
    expect([plan.changes.enter, plan.decisions.send]).toEqual([1, sends])
    expect(plan.reasons['reentry.recent'] ?? 0).toBe(1 - sends)
  })

  test('on exit sends what was last known of the person', async () => {
    const sync = { mode: 'trigger', trigger: { on: 'exit', reentry: 'always', firstRun: 'baseline' } } as const
    await nights.night(model({ a: 'x', b: 'y' }), { sync })
    await nights.plan(model({ a: 'x' }), { sync })
    expect((await nights.outbox()).map(row => [row.key, row.decision, row.payload])).toEqual([
      ['b', 'send', '{"v":"y"}'],
    ])
  })

  test('is never repeated by a full resync nor by a changed mapping', async () => {
    const sync = {
      ...trigger('always', 'send'),
      trigger: { on: 'change', reentry: 'always', firstRun: 'send' },
    } as const
    await nights.night(model({ a: 'x' }), { sync })
    expect((await nights.plan(model({ a: 'x' }), { sync, fullResync: true })).decisions.send).toBe(0)
    const remapped = { ...sync, fields: fieldsOf({ v: 'v', greeting: { template: 'Hi {{v}}' } }) }
    const plan = await nights.plan(model({ a: 'x' }), { sync: remapped })
    expect([plan.decisions.send, plan.reasons]).toEqual([0, { 'mapping.kept': 1 }])
  })
})

describe('mapping changes', () => {
  const remapped = fieldsOf({ v: 'v', w: { value: 1 } })

  test('resend what differs in a data sync, and say so', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const plan = await nights.plan(model({ a: 'x', b: 'x' }), { sync: { fields: remapped } })
    expect(plan.decisions.send).toBe(2)
    expect(plan.warnings).toEqual(['the mapping changed since the last run (w): rows that differ in it are sent again'])
  })

  test('keep what was sent when told to, but still send rows that changed otherwise', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const sync = { fields: remapped, onMappingChange: 'keep' } as const
    const plan = await nights.night(model({ a: 'x', b: 'y' }), { sync })
    expect([plan.decisions.send, plan.decisions.skip]).toEqual([1, 1])
    expect((await nights.plan(model({ a: 'x', b: 'y' }), { sync })).changes.change).toBe(0)
  })

  test('send everyone again to another destination', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    expect((await nights.plan(model({ a: 'x', b: 'x' }), { sync: { destination: 'other' } })).decisions.send).toBe(2)
  })

  test.each([
    'insert',
    'audience',
    'append',
    'update',
  ] as const)('sends everyone of a data sync again when its mode was %s, which had left changes alone', async mode => {
    await nights.night(model({ a: 'x', b: 'x' }), { sync: { mode } })
    await nights.night(model({ a: 'y', b: 'x' }), { sync: { mode } })
    const plan = await nights.night(model({ a: 'y', b: 'x' }), { sync: { mode: 'mirror' } })
    expect([plan.decisions.send, plan.warnings]).toEqual([
      2,
      ['the sync is now in mode mirror: everyone is sent again'],
    ])
    expect((await nights.plan(model({ a: 'y', b: 'x' }), { sync: { mode: 'mirror' } })).decisions.send).toBe(0)
  })

  test('a full resync sends every member of a data sync as a change', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const plan = await nights.plan(model({ a: 'x', b: 'x' }), { fullResync: true })
    expect([plan.changes.change, plan.decisions.send, plan.rows.unchanged]).toEqual([2, 2, 0])
  })
})

describe('rejections and doubts', () => {
  test('block a refused row until it changes', async () => {
    await nights.night(model({ a: 'bad', b: 'x' }), { rejected: ['a'], asOf: day(1) })
    const blocked = await nights.night(model({ a: 'bad', b: 'x' }), { asOf: day(2) })
    expect([blocked.decisions.blocked, blocked.reasons]).toEqual([1, { 'rejection.not_due': 1 }])
    const mended = await nights.night(model({ a: 'good', b: 'x' }), { asOf: day(3) })
    expect(mended.decisions.send).toBe(1)
    expect(await nights.rows('rejections')).toEqual([])
  })

  test('try a refused row again when its date has come, ever later', async () => {
    const refused = { rejected: ['a'] }
    await nights.night(model({ a: 'bad' }), { ...refused, asOf: day(1) })
    expect((await nights.plan(model({ a: 'bad' }), { asOf: day(7) })).decisions.send).toBe(0)
    expect((await nights.night(model({ a: 'bad' }), { ...refused, asOf: day(8) })).decisions.send).toBe(1)
    expect((await nights.plan(model({ a: 'bad' }), { asOf: day(16) })).decisions.send).toBe(0)
    expect((await nights.plan(model({ a: 'bad' }), { asOf: day(22) })).decisions.send).toBe(1)
    expect((await nights.rows('rejections')).map(row => row.attempts)).toEqual([2])
  })

  test('block what may or may not have arrived, whatever it is now', async () => {
    await nights.night(model({ a: 'x' }), { parked: ['a'] })
    const plan = await nights.plan(model({ a: 'y' }))
    expect(plan.reasons).toEqual({ 'unresolved.parked': 1 })
  })
})

describe('limit', () => {
  test('sends so many and defers the rest to the next run', async () => {
    const plan = await nights.night(model({ a: 'x', b: 'x', c: 'x' }), { limit: 2 })
    expect([plan.decisions, plan.reasons]).toEqual([
      { send: 2, withhold: 0, defer: 1, skip: 0, blocked: 0 },
      { 'limit.reached': 1 },
    ])
    const next = await nights.plan(model({ a: 'x', b: 'x', c: 'x' }))
    expect([next.changes.enter, next.decisions.send]).toEqual([1, 1])
  })
})

describe('keys', () => {
  const bad = `select * from (values ('a', 1), ('a', 2), (null, 3), ('', 4), ('b', 5)) t(id, v)`

  test('that are missing or twice there fail with samples, and nothing is planned', async () => {
    await expect(nights.plan(bad)).rejects.toMatchObject({
      exit: 'failed',
      problems: [
        { code: 'A4001', message: 'model "m" has bad keys in id: "a" (2 rows), empty (1 rows), null (1 rows)' },
      ],
    })
  })

  test('may be quarantined, and none of several rows is picked', async () => {
    const plan = await nights.plan(bad, { sync: { onBadKey: 'quarantine' } })
    expect(plan.rows).toEqual({ model: 5, quarantined: 4, ineligible: 0, population: 1, unchanged: 0 })
    expect((await nights.outbox()).map(row => row.key)).toEqual(['b'])
  })
})

describe('bad values', () => {
  test.each(['nan', 'infinity', '-infinity'])('%s in a mapped number stops the plan', async value => {
    await expect(nights.plan(`select 'a' as id, '${value}'::double precision as v`)).rejects.toMatchObject({
      problems: [{ code: 'A4003', message: 'field "v" is NaN or infinite in 1 row' }],
    })
  })

  test('a column that the model does not return stops the plan, and the nearest is named', async () => {
    await expect(nights.plan(`select 'a' as id, 1 as vv`)).rejects.toMatchObject({
      problems: [{ code: 'A4002', help: 'did you mean "vv"?' }],
    })
  })
})

describe('shaped fields', () => {
  const shaped = async (from: FieldSource, value: string) => {
    await nights.plan(`select 'a' as id, ${value} as v`, { sync: { fields: fieldsOf({ f: from }) } })
    return JSON.parse(String((await nights.outbox())[0]?.payload)).f
  }
  test.each<[string, FieldSource, string, unknown]>([
    ['a column as it is', { column: 'v' }, '1.5', 1.5],
    ['a number rounded', { column: 'v', as: 'number', round: 2 }, `'3.14159'`, 3.14],
    ['a number as text', { column: 'v', as: 'string' }, '7', '7'],
    ['an e-mail address tidied', { column: 'v', normalise: 'email' }, `' Ada@Example.COM '`, 'ada@example.com'],
    [
      'a tidied address hashed',
      { column: 'v', normalise: 'email', hash: 'sha256' },
      `' Ada@Example.COM '`,
      createHash('sha256').update('ada@example.com').digest('hex'),
    ],
    ['a blank address', { column: 'v', normalise: 'email' }, `' '`, null],
    ['a Gmail alias', { column: 'v', normalise: 'gmail' }, `'Ada.L+x@gmail.com'`, 'adal@gmail.com'],
    ['a phone number', { column: 'v', normalise: 'e164', region: 'GB' }, `'020 7946 0958'`, '+442079460958'],
    ['a phone number that is a number', { column: 'v', normalise: 'e164', region: 'DK' }, '32123456', '+4532123456'],
    ['a phone number of an unknown country', { column: 'v', normalise: 'e164' }, `'020 7946 0958'`, null],
    ['NULL hashed', { column: 'v', hash: 'sha256' }, 'null::varchar', null],
    ['a constant', { value: { nested: [1, 'x', null] } }, '1', { nested: [1, 'x', null] }],
    ['a template', { template: 'Hi {{v}}!' }, `'{{id}}'`, 'Hi {{id}}!'],
    ['a template over NULL', { template: 'Hi {{#if v}}{{v}}{{else}}you{{/if}}' }, 'null::varchar', 'Hi you'],
    ['a whole number that a double cannot hold', { column: 'v' }, '9007199254740993', '9007199254740993'],
    ['a date', { column: 'v' }, `date '2026-03-01'`, '2026-03-01'],
    ['an instant', { column: 'v' }, `timestamptz '2026-03-01 02:00:00+00'`, '2026-03-01T02:00:00Z'],
  ])('%s', async (_name, from, value, expected) => {
    expect(await shaped(from, value)).toEqual(expected)
  })

  test.each<[string, FieldSource]>([
    ['a helper', { template: '{{upper v}}' }],
    ['a block that is not known', { template: '{{#each v}}x{{/each}}' }],
    ['a path out of the row', { template: '{{constructor.constructor}}' }],
    ['a partial', { template: '{{> x}}' }],
    ['an open tag', { template: 'Hi {{v' }],
  ])('%s in a field stops the plan', async (_name, from) => {
    await expect(shaped(from, '1')).rejects.toMatchObject({ problems: [{ code: expect.stringMatching(/A400[24]/) }] })
  })
})

describe('plan', () => {
  test('shows samples with what was and what will be', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const plan = await nights.plan(model({ a: 'y', c: 'z' }), { samples: 2 })
    expect(plan.samples).toEqual([
      { key: 'c', op: 'enter', decision: 'send', before: null, after: { v: 'z' } },
      { key: 'a', op: 'change', decision: 'send', before: { v: 'x' }, after: { v: 'y' } },
      { key: 'b', op: 'leave', decision: 'send', before: { v: 'x' }, after: null },
    ])
  })

  test('counts requests per route and the seconds at the limit', async () => {
    await nights.night(model({ a: 'x', b: 'x' }))
    const plan = await nights.plan(model({ c: 'x', d: 'x', e: 'x' }))
    expect([plan.requests, plan.seconds_at_limit]).toEqual([3, 3])
  })

  test('has a hash that is the same for the same plan, whatever the clock says, and differs when a row, the mapping or the SQL does', async () => {
    const hash = async (rows: Record<string, string>, options = {}) =>
      (await nights.plan(model(rows), options)).plan_hash
    const first = await hash({ a: 'x' })
    expect(await hash({ a: 'x' })).toBe(first)
    expect(await hash({ a: 'x' }, { asOf: day(2) })).toBe(first)
    const others = [
      await hash({ a: 'y' }),
      await hash({ a: 'x' }, { configuration: 'select 2' }),
      await hash({ a: 'x' }, { sync: { fields: fieldsOf({ w: 'v' }) } }),
    ]
    expect(new Set([first, ...others]).size).toBe(4)
  })
})
