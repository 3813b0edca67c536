import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { countReached } from '../../../src/plan/policies/holdout.ts'
import { query, writeScratch } from '../../../src/plan/stage.ts'
import type { Cap, Holdout, QuietHours } from '../../../src/project/policies.ts'
import { raw } from '../../../src/warehouse/sql.ts'
import { fieldsOf, model, type NightOptions, openNights, type PlanNights } from '../plan-nights.ts'
import { consentRelations } from './consent-rows.ts'

let nights: PlanNights
beforeEach(async () => {
  nights = await openNights()
})
afterEach(() => nights.close())

const place = { file: 'activate.yml', line: 1, column: 1 }
const day = (n: number, hour = 2) => `2026-03-${String(n).padStart(2, '0')}T${String(hour).padStart(2, '0')}:00:00.000Z`
const hour = 3_600_000

const mails = {
  mode: 'trigger',
  trigger: { on: 'enter', reentry: 'always', firstRun: 'send' },
  channel: 'email',
  purpose: 'marketing',
} as const

/** Decision and reason of every change of the last plan, by key. */
async function decided(): Promise<Readonly<Record<string, string>>> {
  const rows = await nights.outbox()
  return Object.fromEntries(
    rows
      .map(({ key, decision, reason }): [string, string] => [
        String(key),
        reason === null ? String(decision) : `${decision} ${reason}`,
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

async function relation(name: string, select: string) {
  return writeScratch(nights.warehouse, name, raw(select))
}

const consents = (rows: string, about: { channel?: string; purpose?: string } = mails, asOf = day(1)) =>
  consentRelations(nights.warehouse, rows, { channel: 'email', ...about, asOf })

const consentPolicy = { model: 'consents', default: { communications: 'deny', data: 'allow' }, place } as const

describe('consent', () => {
  const answers = `('a', 'email', 'marketing', 'granted', '2026-01-01', 'consent', 'form 1'),
    ('b', 'email', 'marketing', 'granted', '2026-01-02', 'consent', 'form 2'),
    ('b', 'email', 'marketing', 'denied', '2026-01-03', null, null),
    ('c', 'email', 'renewals', 'granted', '2026-01-01', null, null),
    ('e', 'email', 'marketing', 'granted', '2026-01-05', 'consent', 'call'),
    ('e', null, null, 'Denied ', '2026-01-04', null, null),
    ('f', 'email', 'marketing', 'granted', '2026-01-04', null, null),
    ('f', '*', '*', 'denied', '2026-01-04', null, null),
    ('g', 'email', 'marketing', 'denied', '2026-01-04', null, null),
    ('g', 'email', 'marketing', 'granted', '2027-01-04', null, null)`

  test('lets the latest answer by event time decide, and takes silence for no', async () => {
    const plan = await nights.plan(model({ a: 'x', b: 'x', c: 'x', d: 'x', e: 'x', f: 'x', g: 'x' }), {
      sync: mails,
      policies: { consent: consentPolicy },
      relations: await consents(answers),
      samples: 5,
    })
    expect(plan.rows).toEqual({ model: 7, quarantined: 0, ineligible: 5, population: 2, unchanged: 0 })
    expect(plan.reasons).toEqual({ 'consent.denied': 3, 'consent.missing': 2 })
    expect(plan.ineligible).toEqual([
      { key: 'b', reason: 'consent.denied' },
      { key: 'f', reason: 'consent.denied' },
      { key: 'g', reason: 'consent.denied' },
      { key: 'c', reason: 'consent.missing' },
      { key: 'd', reason: 'consent.missing' },
    ])
    expect(await decided()).toEqual({ a: 'send', e: 'send' })
  })

  test('carries basis and evidence of the answer that it goes by into the delivery', async () => {
    const options = { sync: mails, policies: { consent: consentPolicy }, relations: await consents(answers) }
    await nights.night(model({ a: 'x', e: 'x' }), options)
    expect((await nights.rows('deliveries')).map(({ key, basis, evidence }) => [key, basis, evidence])).toEqual([
      ['a', 'consent', 'form 1'],
      ['e', 'consent', 'call'],
    ])
  })

  test('removes a person who withdrew it from a mirror, and remembers from when and why', async () => {
    const mirror = { channel: 'email', purpose: 'marketing' } as const
    const policies = { consent: consentPolicy }
    const before = `('a', 'email', 'marketing', 'granted', '2026-01-01', null, null)`
    await nights.night(model({ a: 'x', b: 'x' }), {
      sync: mirror,
      policies,
      relations: await consents(before),
      asOf: day(1),
    })
    const withdrawn = `${before}, ('a', 'email', 'marketing', 'denied', '2026-03-01', null, null)`
    const asOf = day(2)
    const plan = await nights.night(model({ a: 'x', b: 'x' }), {
      sync: mirror,
      policies,
      relations: await consents(withdrawn, mails, asOf),
      asOf,
    })
    expect([plan.rows.ineligible, plan.changes.leave, plan.decisions.send]).toEqual([1, 1, 1])
    const granted = `${withdrawn}, ('a', 'email', 'marketing', 'granted', '2026-03-02 20:00', null, null)`
    const again = await nights.night(model({ a: 'x', b: 'x' }), {
      sync: mirror,
      policies,
      relations: await consents(granted, mails, day(3)),
      asOf: day(3),
    })
    expect(again.changes).toEqual({ enter: 1, change: 0, leave: 0 })
    const intervals = (await nights.rows('ineligible')).map(({ key, reason, since, until }) => [
      key,
      reason,
      since,
      until,
    ])
    expect(intervals).toEqual([['a', 'consent.denied', '2026-03-02T02:00:00Z', '2026-03-03T02:00:00Z']])
  })
})

describe('quarantine', () => {
  test('keeps nobody at the destination who withdrew consent', async () => {
    const sync = { channel: 'email', purpose: 'marketing', onBadKey: 'quarantine' } as const
    const policies = { consent: consentPolicy }
    const granted = `('z', 'email', 'marketing', 'granted', '2026-01-01', null, null)`
    const all = `select * from (values ('a', 'x'), ('b', 'x')) t(id, v)`
    await nights.night(all, { sync, policies, relations: await consents(granted) })
    const denied = `${granted}, ('a', 'email', 'marketing', 'denied', '2026-01-01', null, null)`
    const twice = `select * from (values ('a', 'x'), ('a', 'y'), ('b', 'x'), ('b', 'y')) t(id, v)`
    const plan = await nights.plan(twice, { sync, policies, relations: await consents(denied) })
    expect(plan.rows).toEqual({ model: 4, quarantined: 4, ineligible: 0, population: 0, unchanged: 0 })
    expect(await decided()).toEqual({ a: 'send' })
  })
})

describe('rollout and QA', () => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, 'x']))

  test('lets a growing share in, which holds the smaller one', async () => {
    const inside = async (rollout: number) => {
      await nights.plan(model(many), { sync: { rollout } })
      return new Set((await nights.outbox()).map(({ key }) => key))
    }
    const [few, more] = [await inside(0.1), await inside(0.3)]
    expect(few.size).toBeGreaterThan(5)
    expect(more.size).toBeGreaterThan(few.size)
    expect([...few].filter(key => !more.has(key))).toEqual([])
  })

  test('does not mail the past of those to whom a programme is rolled out', async () => {
    const baseline = { ...mails, trigger: { on: 'enter', reentry: 'never', firstRun: 'baseline' } } as const
    await nights.night(model(many), { sync: { ...baseline, rollout: 0.1 }, asOf: day(1) })
    const plan = await nights.night(model({ ...many, fresh: 'x' }), { sync: baseline, asOf: day(2) })
    expect(await decided()).toMatchObject({ fresh: 'send' })
    expect([plan.decisions.send, plan.decisions.skip]).toEqual([1, plan.changes.enter - 1])
  })

  test('lets only the QA audience take part', async () => {
    const qa = await relation('qa_people', `select 'b' as entity`)
    const plan = await nights.plan(model({ a: 'x', b: 'x' }), { sync: { qaAudience: 'qa' }, relations: { qa } })
    expect([plan.reasons, await decided()]).toEqual([{ 'qa.outside': 1 }, { b: 'send' }])
  })
})

describe('opt-outs', () => {
  const identity = {
    ...{ entity: 'person', key: 'id', links: [], maxCluster: 50, minConfidence: 0, place },
    identifiers: [{ name: 'email', normalise: 'email', place }],
  } as const
  const rows = `select * from (values ('a', ' A@x.example', 'x'), ('b', 'b@x.example', 'x'), ('c', 'c@x.example', 'x')) t(id, email, v)`

  const dialect = () => nights.warehouse.dialect
  const optedOut = async (kind: string, value: string, reason = 'opt_out') => ({
    ...{ reason, kind },
    hashes: await relation(
      `opted_out_${kind}`,
      `select ${dialect().sha256(`'${kind}:${value}'`)} as ${dialect().quote('hash')}`,
    ),
  })

  test('leave out whom they name, by whatever identifier, each with its reason', async () => {
    const optOuts = [
      await optedOut('email', 'a@x.example', 'complaint'),
      await optedOut('id', 'c'),
      await optedOut('phone', '+447700900123'),
    ]
    const plan = await nights.plan(rows, { sync: mails, identity, relations: { optOuts } })
    expect([await decided(), plan.reasons]).toEqual([
      { b: 'send' },
      { 'suppression.complaint': 1, 'suppression.opt_out': 1 },
    ])
  })

  test('by a record or an identifier of the same person count for all of that person', async () => {
    const members = await relation('members', `select * from (values ('a', 'a'), ('b', 'a')) t(key, entity)`)
    const identifiers = await relation('owned', `select 'phone' as type, '+447700900123' as value, 'c' as entity`)
    const optOuts = [await optedOut('id', 'b'), await optedOut('phone', '+447700900123')]
    const plan = await nights.plan(rows, { sync: mails, identity, relations: { members, identifiers, optOuts } })
    expect(plan.reasons).toEqual({ 'suppression.opt_out': 3 })
  })
})

describe('caps', () => {
  const cap: Cap = {
    name: 'mail',
    channel: 'email',
    purposes: ['marketing', 'renewals'],
    max: 1,
    per: 24 * hour,
    place,
  }
  const policies = { caps: [cap] }
  const programme = (name: string, more = {}): NightOptions => ({ sync: { ...mails, name, ...more }, policies })

  test('counts over all syncs, and lets the next one through when the window has passed', async () => {
    await nights.night(model({ a: 'x' }), { ...programme('first'), asOf: day(1) })
    await nights.night(model({ a: 'x', b: 'x' }), { ...programme('second'), asOf: day(1, 20) })
    expect(await decided()).toEqual({ a: 'defer cap.mail', b: 'send' })
    await nights.night(model({ a: 'x', b: 'x' }), { ...programme('second'), asOf: day(2, 2) })
    expect(await decided()).toEqual({ a: 'send' })
  })

  test('counts what may have arrived, and not what was refused', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { ...programme('first'), parked: ['a'], rejected: ['b'] })
    await nights.night(model({ a: 'x', b: 'x' }), programme('second'))
    expect(await decided()).toEqual({ a: 'defer cap.mail', b: 'send' })
  })

  test('counts what a crashed run may have sent until it is settled', async () => {
    await nights.crash(model({ a: 'x' }), programme('first'))
    await nights.night(model({ a: 'x' }), programme('second'))
    expect(await decided()).toEqual({ a: 'defer cap.mail' })
  })

  test('counts several changes of one person in one plan', async () => {
    const rows = `select * from (values ('s1', 'ann', 'x'), ('s2', 'ann', 'x'), ('s3', 'bob', 'x')) t(id, person, v)`
    const identity = {
      entity: 'person',
      key: 'person',
      identifiers: [],
      links: [],
      maxCluster: 50,
      minConfidence: 0,
      place,
    }
    await nights.plan(rows, { ...programme('first'), identity })
    expect(await decided()).toEqual({ s1: 'send', s2: 'defer cap.mail', s3: 'send' })
  })

  test('leaves other channels and purposes alone', async () => {
    await nights.night(model({ a: 'x' }), programme('first'))
    await nights.night(model({ a: 'x' }), programme('sms', { channel: 'sms' }))
    expect(await decided()).toEqual({ a: 'send' })
    await nights.night(model({ a: 'x' }), programme('bill', { purpose: 'transactional' }))
    expect(await decided()).toEqual({ a: 'send' })
  })

  test('says who went first when a sync of higher priority used the cap up today', async () => {
    await nights.night(model({ a: 'x' }), { ...programme('important', { priority: 90 }), asOf: day(1) })
    await nights.night(model({ a: 'x' }), { ...programme('less', { priority: 10 }), asOf: day(1, 9) })
    expect(await decided()).toEqual({ a: 'defer priority.outranked' })
  })
})

describe('holdouts', () => {
  const holdout: Holdout = { name: 'global', share: 0.3, epoch: '1', salt: 'g-1', appliesTo: 'all', place }
  const people = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`p${index}`, 'x']))
  const withheldOf = async () =>
    Object.entries(await decided()).flatMap(([key, said]) => (said === 'withhold holdout.global' ? [key] : []))

  test('withhold a share, log both arms once, and keep what would have been sent', async () => {
    const options = { sync: mails, policies: { holdouts: [holdout] } }
    const plan = await nights.night(model(people), options)
    const withheld = await withheldOf()
    expect(plan.decisions.withhold).toBe(withheld.length)
    expect(plan.decisions.send).toBe(60 - withheld.length)
    await nights.night(model({ p0: 'y' }), { ...options, asOf: day(2) })
    await nights.night(model(people), { ...options, asOf: day(3) })
    const exposures = await nights.rows('exposures')
    expect(exposures.length).toBe(60)
    expect(
      exposures
        .filter(({ arm }) => arm === 'withheld')
        .map(({ key }) => key)
        .sort(),
    ).toEqual(withheld.sort())
    expect(exposures.filter(({ arm, payload }) => arm === 'withheld' && payload === '{"v":"x"}').length).toBe(
      withheld.length,
    )
    const standing = (await nights.snapshot()).filter(row => row.standing === 'withheld').map(({ key }) => key)
    expect(standing.length).toBe(withheld.length)
  })

  test('draw independently, and ask the next one only about those whom the first left', async () => {
    const own: Holdout = { ...holdout, name: 'own', salt: 'own-1', share: 0.5 }
    await nights.night(model(people), { sync: { ...mails, holdout: own }, policies: { holdouts: [holdout] } })
    const arms = (await nights.rows('exposures')).map(({ key, holdout: name, arm }) => `${key} ${name} ${arm}`)
    const global = await withheldOf()
    expect(arms.filter(text => text.includes(' own ')).length).toBe(60 - global.length)
    for (const key of global) expect(arms).not.toContain(`${key} own treated`)
  })

  test('never send the removal of what they withheld from a mirror, and send it when they end', async () => {
    const policies = { holdouts: [holdout] }
    await nights.night(model(people), { policies, asOf: day(1) })
    const [gone = '', released = ''] = await withheldOf()
    const { [gone]: _, ...rest } = people
    await nights.night(model(rest), { policies, asOf: day(2) })
    expect(await decided()).toEqual({ [gone]: 'skip mode.left_alone' })
    expect((await nights.plan(model(rest), { policies, asOf: day(3) })).changes).toEqual({
      enter: 0,
      change: 0,
      leave: 0,
    })
    const ended = { holdouts: [{ ...holdout, expires: '2026-03-04' }] }
    const plan = await nights.night(model(rest), { policies: ended, asOf: day(4) })
    expect(await decided()).toMatchObject({ [released]: 'send' })
    expect(plan.warnings).toEqual(['the holdout global expired on 2026-03-04: nobody is withheld by it any more'])
    expect((await nights.plan(model(rest), { policies: ended, asOf: day(5) })).decisions.send).toBe(0)
  })

  test('do not lose a change of what was sent before they withheld it', async () => {
    await nights.night(model(people), { asOf: day(1) })
    const changed = Object.fromEntries(Object.keys(people).map(key => [key, 'y']))
    await nights.night(model(changed), { policies: { holdouts: [holdout] }, asOf: day(2) })
    const withheld = await withheldOf()
    await nights.night(model(changed), { asOf: day(3) })
    expect(Object.keys(await decided()).sort()).toEqual(withheld.sort())
    const { [withheld[0] ?? '']: _, ...rest } = changed
    await nights.night(model(rest), { policies: { holdouts: [holdout] }, asOf: day(4) })
    expect(await decided()).toEqual({ [withheld[0] ?? '']: 'send' })
  })

  test('shrink and grow within an epoch and say so; refuse another salt, and take one with a new epoch', async () => {
    const withShare = (more: Partial<Holdout>) => ({ sync: mails, policies: { holdouts: [{ ...holdout, ...more }] } })
    await nights.night(model(people), withShare({}))
    const before = await withheldOf()
    const smaller = await nights.plan(model({ ...people, new: 'x' }), withShare({ share: 0.1 }))
    expect(smaller.warnings[0]).toContain('fell from 30% to 10%')
    expect((await withheldOf()).every(key => before.includes(key) || key === 'new')).toBe(true)
    await expect(nights.plan(model(people), withShare({ salt: 'other' }))).rejects.toThrow(
      /A4031.*salt of holdout "global" changed/,
    )
    const rotated = await nights.plan(model(people), withShare({ salt: 'other', epoch: '2' }))
    expect(rotated.warnings).toEqual(['the holdout global begins its epoch "2": lots are drawn anew'])
  })
})

test('a delivery to somebody who is withheld is counted as an error', async () => {
  const holdout: Holdout = { name: 'h', share: 0.5, epoch: '1', salt: 's-1', appliesTo: 'all', place }
  const people = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'x']))
  await nights.night(model(people), { sync: mails, policies: { holdouts: [holdout] }, asOf: day(1) })
  const tables = { deliveries: raw('activate.deliveries'), exposures: raw('activate.exposures') }
  const reached = async (share: number) => {
    const [row] = await query(nights.warehouse, countReached(nights.warehouse.dialect, tables, [{ ...holdout, share }]))
    return Number(row?.n)
  }
  expect(await reached(0.5)).toBe(0)
  await nights.night(model({}), { sync: { ...mails, guard: { minRows: 0, mappingChange: 'pass' } }, asOf: day(2) })
  const plan = await nights.night(model(people), { sync: mails, asOf: day(3) })
  expect(plan.decisions.send).toBe(20)
  expect(await reached(0.5)).toBeGreaterThan(0)
  expect(await reached(0)).toBe(0)
})

describe('clocks', () => {
  const quietHours: QuietHours = {
    channels: ['email'],
    from: 21 * 60,
    to: 8 * 60,
    timezone: { column: 'tz', default: 'Europe/London' },
    place,
  }
  const rows = (zones: Readonly<Record<string, string | null>>) =>
    `select * from (values ${Object.entries(zones)
      .map(([id, tz]) => `('${id}', 'x', ${tz === null ? 'null' : `'${tz}'`})`)
      .join(', ')}) t(id, v, tz)`

  test('defer at night on the clock of the person, and take the default for what is no zone', async () => {
    const plan = await nights.plan(
      rows({ london: 'Europe/London', tokyo: 'Asia/Tokyo', york: 'America/New_York', none: null, odd: 'Mars/Olympus' }),
      { sync: mails, policies: { quietHours }, asOf: '2026-03-01T12:30:00.000Z' },
    )
    expect(await decided()).toEqual({
      london: 'send',
      none: 'send',
      odd: 'send',
      tokyo: 'defer quiet_hours.window',
      york: 'defer quiet_hours.window',
    })
    expect(plan.warnings).toEqual(['a time zone is unknown ("Mars/Olympus"): Europe/London is taken instead'])
  })

  test('follow both changes of the clock', async () => {
    const at = async (asOf: string) => {
      await nights.plan(rows({ p: 'Europe/London' }), { sync: mails, policies: { quietHours }, asOf })
      return (await decided()).p
    }
    expect(await at('2026-03-28T07:30:00.000Z')).toBe('defer quiet_hours.window')
    expect(await at('2026-03-29T07:30:00.000Z')).toBe('send')
    expect(await at('2026-10-24T07:30:00.000Z')).toBe('send')
    expect(await at('2026-10-25T07:30:00.000Z')).toBe('defer quiet_hours.window')
  })

  test('send within the window of the sync only, and say until when', async () => {
    const sendWindow = { from: 9 * 60, to: 17 * 60, days: [1, 2, 3, 4, 5], timezone: { default: 'Europe/London' } }
    const at = async (asOf: string) => {
      await nights.plan(model({ a: 'x' }), { sync: { ...mails, sendWindow }, asOf })
      return [(await decided()).a, (await nights.outbox())[0]?.not_after]
    }
    expect(await at('2026-03-02T10:00:00.000Z')).toEqual(['send', '2026-03-02T17:00:00Z'])
    expect((await at('2026-03-02T08:59:00.000Z'))[0]).toBe('defer send_window.closed')
    expect((await at('2026-03-01T10:00:00.000Z'))[0]).toBe('defer send_window.closed')
  })

  test('skip what is worthless by now, and wait with what is not', async () => {
    const dated = `select * from (values ('gone', 'x', date '2026-02-28'), ('today', 'x', date '2026-03-01')) t(id, v, renews_on)`
    await nights.night(dated, { sync: { ...mails, expires: { column: 'renews_on' } }, asOf: day(1) })
    expect(await decided()).toEqual({ gone: 'skip expired.renews_on', today: 'send' })
  })
})

describe('one person, one communication', () => {
  const identity = {
    entity: 'customer',
    key: 'id',
    identifiers: [],
    links: [],
    maxCluster: 50,
    minConfidence: 0,
    place,
  }
  const merged = () => relation('members', `select * from (values ('a', 'a'), ('b', 'a')) t(key, entity)`)

  test('records that were found to be one person get it once', async () => {
    await nights.night(model({ a: 'x', b: 'x', c: 'x' }), {
      sync: mails,
      identity,
      relations: { members: await merged() },
    })
    expect(await decided()).toEqual({ a: 'send', b: 'skip duplicate.person', c: 'send' })
    expect((await nights.plan(model({ a: 'x', b: 'x', c: 'x' }), { sync: mails })).changes.enter).toBe(0)
  })

  test('a record that joins a person who had it gets it no second time', async () => {
    await nights.night(model({ a: 'x' }), { sync: mails, identity, asOf: day(1) })
    await nights.night(model({ a: 'x', b: 'x' }), {
      sync: mails,
      identity,
      relations: { members: await merged() },
      asOf: day(2),
    })
    expect(await decided()).toEqual({ b: 'skip duplicate.person' })
  })

  test('the second record stands in when the first was never reached', async () => {
    const options = { sync: mails, identity, relations: { members: await merged() } }
    await nights.night(model({ a: 'x', b: 'x' }), { ...options, rejected: ['a'], asOf: day(1) })
    await nights.night(model({ a: 'x', b: 'x' }), { ...options, asOf: day(2) })
    expect(await decided()).toEqual({ a: 'blocked rejection.not_due', b: 'send' })
  })

  test('two records with one address get it once, whoever they are', async () => {
    const rows = (extra = '') =>
      `select * from (values ('a', 'Ann@x.example'), ('b', ' ann@X.example '), ('c', 'c@x.example')${extra}) t(id, email)`
    const sync = { ...mails, fields: fieldsOf({ to: 'email' }) }
    await nights.night(rows(), { sync, asOf: day(1) })
    expect(await decided()).toEqual({ a: 'send', b: 'skip duplicate.address', c: 'send' })
    await nights.night(rows(`, ('d', 'C@x.example')`), { sync, asOf: day(2) })
    expect(await decided()).toEqual({ d: 'skip duplicate.address' })
  })

  test('a person is withheld when any of the records is, and never had twice by re-entry', async () => {
    const holdout: Holdout = { name: 'h', share: 0.5, epoch: '1', salt: 's-1', appliesTo: 'all', place }
    const keys = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, 'x']))
    await nights.plan(model(keys), { sync: mails, identity, policies: { holdouts: [holdout] } })
    const said = await decided()
    const [held = ''] = Object.keys(said).filter(key => said[key] === 'withhold holdout.h')
    const [free = ''] = Object.keys(said).filter(key => said[key] === 'send')
    const members = await relation(
      'pair',
      `select * from (values ('${free}', '${free}'), ('${held}', '${free}')) t(key, entity)`,
    )
    await nights.plan(model(keys), { sync: mails, identity, policies: { holdouts: [holdout] }, relations: { members } })
    expect(await decided()).toMatchObject({ [free]: 'withhold holdout.h', [held]: 'withhold holdout.h' })

    const options = { sync: mails, identity, policies: { holdouts: [holdout] } }
    await nights.night(model({ [free]: 'x' }), { ...options, relations: { members }, asOf: day(1) })
    await nights.night(model({}), {
      ...options,
      sync: { ...mails, guard: { minRows: 0, mappingChange: 'pass' } },
      asOf: day(2),
    })
    await nights.night(model({ [free]: 'x' }), { ...options, asOf: day(3) })
    expect(await decided(), 'who was withheld as one person stays so when the records part').toEqual({
      [free]: 'withhold holdout.h',
    })
  })
})

describe('modes', () => {
  test('a mirror removes whom an upsert had left at the destination', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { sync: { mode: 'upsert' }, asOf: day(1) })
    await nights.night(model({ a: 'x' }), { sync: { mode: 'upsert' }, asOf: day(2) })
    await nights.night(model({ a: 'x' }), { sync: { mode: 'mirror' }, asOf: day(3) })
    expect(await decided()).toEqual({ a: 'send', b: 'send' })
    expect((await nights.plan(model({ a: 'x' }), { sync: { mode: 'mirror' } })).changes.leave).toBe(0)
  })

  test('nothing is removed at a destination where nothing was sent', async () => {
    await nights.night(model({ a: 'x', b: 'x' }), { asOf: day(1) })
    await nights.night(model({ a: 'x' }), { sync: { destination: 'other' }, asOf: day(2) })
    expect(await decided()).toEqual({ a: 'send', b: 'skip mode.left_alone' })
  })
})
