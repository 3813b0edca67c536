import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { canResolve, parkedOf, resolveStatements, selectParked, type Verdict } from '../../src/plan/resolve.ts'
import { execute, query, writeScratch } from '../../src/plan/stage.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import type { Cap, Identity } from '../../src/project/policies.ts'
import type { Sync } from '../../src/project/project.ts'
import { raw, render } from '../../src/warehouse/sql.ts'
import { fieldsOf, model, type NightOptions, openNights, type PlanNights, syncOf } from './plan-nights.ts'

let nights: PlanNights
beforeEach(async () => {
  nights = await openNights()
})
afterEach(() => nights.close())

const place = { file: 'activate.yml', line: 1, column: 1 }
const day = (n: number) => `2026-03-${String(n).padStart(2, '0')}T02:00:00.000Z`
const verdicts: readonly Verdict[] = ['acked', 'retry', 'drop']
const mails = {
  mode: 'trigger',
  trigger: { on: 'enter', reentry: 'never', firstRun: 'send' },
  channel: 'email',
  purpose: 'marketing',
} as const

async function resolve(verdict: Verdict, keys: readonly string[] | undefined, sync: Partial<Sync> = {}) {
  const { warehouse } = nights
  const resolved = syncOf(sync)
  const state = await prepareState(warehouse, resolved.name)
  const params = { sync: resolved, verdict, keys, resolvedAt: day(9), ...state }
  const statements = resolveStatements(warehouse.dialect, params)
  await warehouse.transaction(statements.map(statement => render(statement, warehouse.dialect.placeholder)))
}

async function parked(sync?: string) {
  const filter = sync === undefined ? {} : { sync }
  const rows = await query(nights.warehouse, selectParked(raw('activate.unresolved'), filter))
  return rows.map(parkedOf)
}

const everything = async () =>
  Promise.all([nights.snapshot(), ...['deliveries', 'decisions', 'unresolved', 'rejections'].map(nights.rows)])
const changeIds = async () =>
  Object.fromEntries((await nights.outbox()).map(row => [String(row.key), String(row.change_id)]))
const column = async (table: string, name: string) =>
  Object.fromEntries((await nights.rows(table)).map(row => [String(row.key), row[name]]))

describe('what is parked', () => {
  test('is listed with all that is needed to resolve it once the outbox is gone', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { parked: ['b'] })
    const [row, ...others] = await parked('s')
    expect([row, others]).toMatchObject([
      { sync: 's', key: 'b', runId: 's__1', since: day(1), seq: 2, op: 'enter' },
      [],
    ])
    expect(await parked('other')).toEqual([])
  })

  test('stays so when a record of another key is resolved', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { parked: ['a', 'b'] })
    await resolve('acked', ['a'])
    expect((await parked()).map(({ key }) => key)).toEqual(['b'])
    expect((await nights.plan(model({ a: 'x', b: 'x' }))).reasons).toEqual({ 'unresolved.parked': 1 })
  })

  test('can be named by the person whom several rows are about', async () => {
    const rows = `select * from (values ('o1', 'ann', 'x'), ('o2', 'ann', 'x'), ('o3', 'bob', 'x')) t(id, person, v)`
    const identity = { entity: 'person', key: 'person', identifiers: [], links: [], maxCluster: 50, place }
    const person = { ...identity, minConfidence: 0 }
    await nights.night(rows, { identity: person, parked: ['o1', 'o2', 'o3'] })
    await resolve('acked', ['ann'])
    expect((await parked()).map(({ key }) => key)).toEqual(['o3'])
  })

  test('changes nothing when it is resolved a second time, whatever is said then', async () => {
    for (const first of verdicts) {
      const name = `s_${first}`
      await nights.night(model({ a: 'x' }), { sync: { name, ...mails }, parked: ['a'] })
      await resolve(first, ['a'], { name, ...mails })
      const state = () => query(nights.warehouse, raw(`select * from activate.snapshot__${name}`))
      const before = [await nights.rows('deliveries'), await nights.rows('decisions'), await state()]
      for (const again of verdicts) await resolve(again, undefined, { name, ...mails })
      expect([await nights.rows('deliveries'), await nights.rows('decisions'), await state()]).toEqual(before)
    }
  })
})

describe('a record that arrived', () => {
  test('leaves everything as if the destination had acknowledged it', async () => {
    const first = model({ a: 'x', b: 'x', c: 'x' })
    const second = model({ a: 'y', c: 'x', d: 'x' })
    await nights.night(first, { asOf: day(1) })
    await nights.night(second, { asOf: day(2) })
    const acknowledged = await everything()
    await nights.close()

    nights = await openNights()
    await nights.night(first, { asOf: day(1) })
    await nights.night(second, { asOf: day(2), parked: ['a', 'b', 'd'] })
    expect(await everything()).not.toEqual(acknowledged)
    await resolve('acked', undefined)
    expect(await everything()).toEqual(acknowledged)
    expect((await nights.plan(second)).changes).toEqual({ enter: 0, change: 0, leave: 0 })
  })

  test('forgets that an earlier state of the row was refused', async () => {
    await nights.night(model({ a: 'bad' }), { rejected: ['a'], asOf: day(1) })
    await nights.night(model({ a: 'x' }), { parked: ['a'], asOf: day(2) })
    await resolve('acked', ['a'])
    expect(await nights.rows('rejections')).toEqual([])
  })
})

describe('a record that did not arrive', () => {
  test('is planned anew under the same change id, and as it is by then', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { parked: ['a', 'b'] })
    const ids = await changeIds()
    await resolve('retry', undefined)
    const plan = await nights.plan(model({ a: 'x', b: 'y' }))
    expect([plan.decisions.send, plan.reasons]).toEqual([2, {}])
    const again = await changeIds()
    expect(again.a).toBe(ids.a)
    expect(again.b).not.toBe(ids.b)
    expect([await nights.snapshot(), await column('decisions', 'outcome')]).toEqual([[], { a: 'parked', b: 'parked' }])
  })

  test('may be parked again, and what is said then is about the later run alone', async () => {
    await nights.night(model({ a: 'x' }), { parked: ['a'], asOf: day(1) })
    await resolve('retry', ['a'])
    await nights.night(model({ a: 'x' }), { parked: ['a'], asOf: day(2) })
    await resolve('acked', ['a'])
    const decisions = (await nights.rows('decisions')).map(({ run_id, outcome }) => [run_id, outcome])
    expect(decisions).toEqual([
      ['s__1', 'parked'],
      ['s__2', 'acked'],
    ])
  })
})

describe('a record that is dropped', () => {
  test('is neither sent nor counted, and its next change is sent', async () => {
    await nights.night(model({ a: 'x' }), { asOf: day(1) })
    await nights.night(model({ a: 'y' }), { parked: ['a'], asOf: day(2) })
    await resolve('drop', ['a'])
    expect((await nights.night(model({ a: 'y' }), { asOf: day(3) })).changes.change).toBe(0)
    expect((await nights.snapshot()).map(({ version, standing }) => [Number(version), standing])).toEqual([
      [2, 'member'],
    ])
    expect((await nights.rows('decisions')).map(({ outcome }) => outcome)).toEqual(['acked', 'dropped'])
    expect((await nights.plan(model({ a: 'z' }))).decisions.send).toBe(1)
  })

  test('is not removed again when it was the removal', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { asOf: day(1) })
    await nights.night(model({ b: 'x' }), { parked: ['a'], asOf: day(2) })
    await resolve('drop', ['a'])
    expect((await nights.plan(model({ b: 'x' }))).changes.leave).toBe(0)
  })
})

describe('a communication', () => {
  const cap: Cap = { name: 'mail', channel: 'email', purposes: ['marketing'], max: 1, per: 7 * 86_400_000, place }
  const always = { ...mails, trigger: { ...mails.trigger, reentry: 'always' } } as const
  const other = { sync: { ...always, name: 'other' }, policies: { caps: [cap] }, asOf: day(2) } as const
  const reasons = async (options: Parameters<PlanNights['plan']>[1]) =>
    (await nights.plan(model({ a: 'x' }), options)).reasons

  test.each([
    ['acked', 'acked', { 'cap.mail': 1 }],
    ['retry', undefined, {}],
    ['drop', 'uncertain', { 'cap.mail': 1 }],
  ] as const)('that is resolved with %s counts under caps only if it may have arrived', async (verdict, outcome, seen) => {
    await nights.night(model({ a: 'x' }), { sync: mails, parked: ['a'] })
    expect(await reasons(other)).toEqual({ 'cap.mail': 1 })
    await resolve(verdict, ['a'], mails)
    expect((await column('deliveries', 'outcome')).a).toBe(outcome)
    expect(await reasons(other)).toEqual(seen)
  })

  test('that did not arrive is sent by the next run, whatever re-entry says', async () => {
    await nights.night(model({ a: 'x' }), { sync: mails, parked: ['a'], asOf: day(1) })
    await resolve('retry', ['a'], mails)
    const plan = await nights.plan(model({ a: 'x' }), { sync: mails, asOf: day(2) })
    expect([plan.decisions.send, plan.reasons]).toEqual([1, {}])
  })

  test.each([
    ['acked', 1],
    ['drop', 1],
  ] as const)('that is resolved with %s is not repeated when the person enters again', async (verdict, version) => {
    const empty = { sync: { ...mails, guard: { minRows: 0, mappingChange: 'pass' } } } as const
    await nights.night(model({ a: 'x' }), { sync: mails, parked: ['a'], asOf: day(1) })
    await resolve(verdict, ['a'], mails)
    expect((await nights.snapshot()).map(row => Number(row.version))).toEqual([version])
    expect((await nights.night(model({ a: 'x' }), { sync: mails, asOf: day(2) })).changes.enter).toBe(0)
    await nights.night(model({}), { ...empty, asOf: day(3) })
    expect(await reasons({ sync: mails, asOf: day(4) })).toEqual({ 'reentry.recent': 1 })
  })
})

describe('a row that an earlier version parked', () => {
  const unknown = { seq: undefined }
  test('can be sent again, and dropped where re-entry keeps it from being sent', () => {
    const never = syncOf(mails)
    const always = syncOf({ ...mails, trigger: { ...mails.trigger, reentry: 'always' } })
    const possible = (sync: Sync) => verdicts.filter(verdict => canResolve(unknown, verdict, sync))
    expect([never, always, syncOf()].map(possible)).toEqual([['retry', 'drop'], ['retry'], ['retry']])
    expect(verdicts.filter(verdict => canResolve({ seq: 1 }, verdict, syncOf()))).toEqual(verdicts)
  })

  test('is dropped by the re-entry of the next run', async () => {
    await nights.night(model({ a: 'x' }), { sync: mails, parked: ['a'], asOf: day(1) })
    await execute(nights.warehouse, raw('update activate.unresolved set seq = null, standing = null, version = null'))
    await resolve('drop', ['a'], mails)
    expect(await nights.snapshot()).toEqual([])
    const plan = await nights.night(model({ a: 'x' }), { sync: mails, asOf: day(2) })
    expect(plan.reasons).toEqual({ 'reentry.recent': 1 })
    expect((await nights.plan(model({ a: 'x' }), { sync: mails })).changes.enter).toBe(0)
  })
})

describe('a dropped communication', () => {
  const always = { ...mails, trigger: { ...mails.trigger, reentry: 'always' } } as const
  test('has another change id than the one that is sent when the same row enters again', async () => {
    const empty = { sync: { ...always, guard: { minRows: 0, mappingChange: 'pass' } } } as const
    await nights.night(model({ a: 'x' }), { sync: always, parked: ['a'], asOf: day(1) })
    const first = (await changeIds()).a
    await resolve('drop', ['a'], always)
    await nights.night(model({}), { ...empty, asOf: day(2) })
    const plan = await nights.night(model({ a: 'x' }), { sync: always, asOf: day(3) })
    expect(plan.decisions.send).toBe(1)
    expect((await changeIds()).a).not.toBe(first)
  })
})

describe('another record of the person whose communication is parked', () => {
  const one: Identity = {
    ...{ entity: 'person', key: 'id', identifiers: [], links: [], maxCluster: 50 },
    ...{ minConfidence: 0, place },
  }
  const on = (event: 'enter' | 'exit' | 'change') =>
    ({
      ...mails,
      trigger: { on: event, reentry: 'always', firstRun: 'send' },
      guard: { minRows: 0, mappingChange: 'pass' },
    }) as const
  let made = 0
  const together = async (sync: Partial<Sync>, keys: readonly string[]): Promise<NightOptions> => {
    made += 1
    const rows = keys.map(key => `('${key}', 'a')`).join(', ')
    const select = raw(`select * from (values ${rows}) t(key, entity)`)
    return { sync, identity: one, relations: { members: await writeScratch(nights.warehouse, `same_${made}`, select) } }
  }
  const decided = async () =>
    Object.fromEntries(
      (await nights.outbox()).map(row => [String(row.key), `${row.decision} ${row.reason ?? ''}`.trim()]),
    )
  const waits = 'blocked unresolved.duplicate'

  test('waits with it, whatever is sent on, and is settled with it', async () => {
    for (const event of ['enter', 'exit', 'change'] as const) {
      for (const verdict of verdicts) {
        const sync = { ...on(event), name: `${event}_${verdict}` }
        const options = await together(sync, ['a', 'b'])
        const before = event === 'enter' ? {} : { a: 'x', b: 'x' }
        const after = event === 'exit' ? {} : { a: 'y', b: 'y' }
        await nights.night(model(before), { ...options, asOf: day(1) })
        await nights.night(model(after), { ...options, parked: ['a'], asOf: day(2) })
        expect(await decided(), event).toEqual({ a: 'send', b: 'skip duplicate.person' })
        await nights.night(model(after), { ...options, asOf: day(3) })
        expect(await decided(), event).toEqual({ a: 'blocked unresolved.parked', b: waits })

        await resolve(verdict, ['a'], sync)
        const { changes } = await nights.night(model(after), { ...options, asOf: day(4) })
        if (verdict === 'retry') expect(await decided(), event).toEqual({ a: 'send', b: 'skip duplicate.person' })
        else expect(changes, `${event} ${verdict}`).toEqual({ enter: 0, change: 0, leave: 0 })
        expect((await nights.plan(model(after), { ...options, asOf: day(5) })).decisions.send).toBe(0)
      }
    }
  })

  test('waits when it enters later, by the person or by the address', async () => {
    await nights.night(model({ a: 'x' }), { ...(await together(on('enter'), ['a', 'b'])), parked: ['a'], asOf: day(1) })
    await nights.night(model({ a: 'x', b: 'x', c: 'x' }), {
      ...(await together(on('enter'), ['a', 'b'])),
      asOf: day(2),
    })
    expect(await decided()).toEqual({ a: 'blocked unresolved.parked', b: waits, c: 'send' })
    await resolve('acked', ['a'], on('enter'))
    await nights.night(model({ a: 'x', b: 'x', c: 'x' }), {
      ...(await together(on('enter'), ['a', 'b'])),
      asOf: day(3),
    })
    expect(await decided()).toEqual({ b: 'skip duplicate.person' })

    const mailed = { ...on('enter'), name: 'm', fields: fieldsOf({ to: 'email' }) }
    const rows = (extra = '') => `select * from (values ('a', 'Ann@x.example')${extra}) t(id, email)`
    await nights.night(rows(), { sync: mailed, parked: ['a'], asOf: day(1) })
    await nights.night(rows(`, ('b', 'ann@x.example'), ('c', 'c@x.example')`), { sync: mailed, asOf: day(2) })
    expect(await decided()).toEqual({ a: 'blocked unresolved.parked', b: waits, c: 'send' })
  })

  test('cannot be resolved apart from it', async () => {
    const options = await together(on('enter'), ['a', 'b'])
    await nights.night(model({ a: 'y', b: 'y' }), { ...options, parked: ['a'], asOf: day(1) })
    expect((await parked()).map(({ key }) => key)).toEqual(['a'])
    await resolve('acked', ['b'], on('enter'))
    expect((await nights.plan(model({ a: 'y', b: 'y' }), { ...options, asOf: day(2) })).decisions.blocked).toBe(2)
  })
})
