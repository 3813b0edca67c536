import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instantText } from '../../src/sandbox/sample-data/calendar.ts'
import { sampleWorld } from '../../src/sandbox/sample-data/sample-world.ts'
import { type SampleTable, type SampleTableName, sampleTables } from '../../src/sandbox/sample-data/tables.ts'
import { writeSampleData } from '../../src/sandbox/sample-data/write.ts'

const day = 24 * 3_600_000
const night = Date.UTC(2026, 2, 2, 2)
const options = { seed: 11, customers: 300, asOf: night }

function objects(table: SampleTable): Record<string, string>[] {
  return table.rows.map(row =>
    Object.fromEntries(table.columns.map((column, index) => [column, String(row[index] ?? '')])),
  )
}

const growing = Object.entries(sampleTables).flatMap(([name, table]) =>
  'time' in table ? [[name as SampleTableName, table.time] as const] : [],
)

test('is the same for the same seed and another for another', () => {
  expect(sampleWorld(options)).toEqual(sampleWorld(options))
  expect(sampleWorld({ ...options, seed: 12 }).orders).not.toEqual(sampleWorld(options).orders)
})

test.each([1, 2, 45])('what a night %i days later knows of tonight is what tonight knew', days => {
  const tonight = sampleWorld(options)
  const later = sampleWorld({ ...options, asOf: night + days * day })
  for (const [name, time] of growing) {
    const cut = instantText(night)
    const known = objects(later[name]).filter(row => (row[time] ?? '') < cut)
    expect(known, name).toEqual(objects(tonight[name]))
  }
  expect(later.orders.rows.length).toBeGreaterThan(tonight.orders.rows.length)
})

test('any two nights agree on what happened before the earlier one', () => {
  const seconds = fc.integer({ min: Date.UTC(2023, 3, 1) / 1_000, max: Date.UTC(2026, 8, 1) / 1_000 })
  fc.assert(
    fc.property(seconds, fc.integer({ min: 1, max: 200 * 24 * 3_600 }), fc.integer(), (early, later, seed) => {
      const cut = instantText(early * 1_000)
      const before = sampleWorld({ seed, customers: 25, asOf: early * 1_000 })
      const after = sampleWorld({ seed, customers: 25, asOf: (early + later) * 1_000 })
      for (const [name, time] of growing) {
        expect(
          objects(after[name]).filter(row => (row[time] ?? '') < cut),
          name,
        ).toEqual(objects(before[name]))
      }
    }),
    { numRuns: 40 },
  )
})

test('tells nothing that has not happened yet', () => {
  const cut = instantText(night)
  for (const [name, table] of Object.entries(sampleWorld(options))) {
    for (const row of objects(table)) {
      const future = Object.entries(row).filter(([column, value]) => column.endsWith('_at') && value >= cut)
      expect(future, `${name} ${JSON.stringify(row)}`).toEqual([])
    }
  }
})

test('mutable rows move on: subscriptions are cancelled, cases closed, addresses changed', () => {
  const tonight = sampleWorld(options)
  const later = sampleWorld({ ...options, asOf: night + 90 * day })
  const moved = (name: SampleTableName, key: string, column: string) => {
    const before = new Map(objects(tonight[name]).map(row => [row[key], row[column]]))
    return objects(later[name]).filter(row => before.has(row[key]) && before.get(row[key]) !== row[column]).length
  }
  expect(moved('subscriptions', 'subscription_id', 'status')).toBeGreaterThan(0)
  expect(moved('subscriptions', 'subscription_id', 'renews_on')).toBeGreaterThan(0)
  expect(moved('customers', 'customer_id', 'email')).toBeGreaterThan(0)
})

test('payments explain the standing of their subscription', () => {
  const world = sampleWorld({ ...options, customers: 1_500 })
  const newest = new Map<string, string>()
  for (const payment of objects(world.payments)) newest.set(payment.subscription_id ?? '', payment.status ?? '')
  const pastDue = objects(world.subscriptions).filter(({ status }) => status === 'past_due')
  expect(pastDue.length).toBeGreaterThan(0)
  for (const { subscription_id = '' } of pastDue) expect(newest.get(subscription_id)).toBe('failed')
  for (const { subscription_id = '', status } of objects(world.subscriptions)) {
    if (status === 'active') expect(newest.get(subscription_id)).toBe('succeeded')
  }
})

test('has what real tables have: blanks, Unicode, padded ids, withdrawn consents, retries, returners', () => {
  const world = sampleWorld({ ...options, customers: 1_500 })
  const customers = objects(world.customers)
  expect(customers[0]?.customer_id).toBe('000001')
  expect(customers.some(({ first_name }) => first_name === '')).toBe(true)
  expect(customers.some(({ phone }) => phone === '')).toBe(true)
  expect(customers.some(({ last_name = '' }) => /[\u0250-\uffff]/u.test(last_name))).toBe(true)
  expect(objects(world.consents).some(({ source }) => source === 'unsubscribe_link')).toBe(true)
  expect(objects(world.payments).some(({ attempt }) => attempt === '3')).toBe(true)
  expect(objects(world.subscriptions).some(({ subscription_id }) => subscription_id?.endsWith('-s2'))).toBe(true)
  for (const table of Object.values(world)) expect(table.rows.length).toBeGreaterThan(0)
})

test('keys are unique', () => {
  const world = sampleWorld({ ...options, customers: 1_500 })
  for (const name of [
    'customers',
    'orders',
    'refunds',
    'subscriptions',
    'payments',
    'product_events',
    'fraud_cases',
    'accounts',
    'leads',
    'lead_events',
  ] as const) {
    const keys = world[name].rows.map(([key]) => key)
    expect(new Set(keys).size, name).toBe(keys.length)
  }
})

test('a second account shares address, telephone and device with the first, and nobody else does', () => {
  const world = sampleWorld({ ...options, customers: 1_500 })
  const twins = (column: string) => {
    const owners = new Map<string, number>()
    for (const row of objects(world.customers)) owners.set(row[column] ?? '', (owners.get(row[column] ?? '') ?? 0) + 1)
    owners.delete('')
    return [...owners.values()].filter(count => count > 1)
  }
  expect(twins('phone').length).toBeGreaterThan(3)
  expect(twins('phone').length).toBeLessThan(30)
  expect(Math.max(...twins('phone'), ...twins('email'))).toBeLessThan(4)
  const users = new Map<string, Set<string>>()
  for (const { device_id = '', customer_id = '' } of objects(world.product_events))
    users.set(device_id, (users.get(device_id) ?? new Set()).add(customer_id))
  users.delete('')
  expect([...users.values()].some(({ size }) => size > 1)).toBe(true)
  expect(Math.max(...[...users.values()].map(({ size }) => size))).toBeLessThan(4)
})

test('carts are left behind, prices change and shelves run empty', () => {
  const world = sampleWorld(options)
  const carts = objects(world.product_events).filter(({ event }) => event === 'add_to_cart')
  expect(carts.every(({ product_id }) => product_id !== '')).toBe(true)
  expect(carts.filter(({ event_id }) => /-c\d+$/.test(event_id ?? '')).length).toBeGreaterThan(50)
  const products = objects(world.products)
  expect(products.some(({ stock }) => stock === '0')).toBe(true)
  const prices = new Set(products.filter(({ product_id }) => product_id === 'P01').map(({ price }) => price))
  expect(prices.size).toBeGreaterThan(2)
})

test('leads belong to known companies or to none, and their events to them', () => {
  const world = sampleWorld(options)
  const accounts = new Set(['', ...objects(world.accounts).map(({ account_id }) => account_id)])
  expect(objects(world.leads).filter(({ account_id }) => !accounts.has(account_id))).toEqual([])
  const created = new Map(objects(world.leads).map(({ lead_id, created_at }) => [lead_id, created_at ?? '']))
  for (const { lead_id, happened_at = '' } of objects(world.lead_events))
    expect(happened_at >= (created.get(lead_id) ?? '9')).toBe(true)
})

test('writes one CSV file per table, replacing the night before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'activate-sample-'))
  try {
    await writeSampleData(folder, options)
    const rows = await writeSampleData(folder, { ...options, asOf: night + day })
    expect((await readdir(folder, { recursive: true })).filter(path => path.endsWith('.csv')).sort()).toEqual(
      Object.keys(sampleTables)
        .map(name => `${name}.csv`)
        .sort(),
    )
    const orders: unknown[] = parse(await readFile(join(folder, 'orders.csv')), { columns: true })
    expect(orders).toEqual(objects(sampleWorld({ ...options, asOf: night + day }).orders))
    expect(rows.orders).toBe(orders.length)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test.each([
  [{ customers: 0 }, 'between 1 and 999999 customers'],
  [{ customers: 1.5 }, 'between 1 and 999999 customers'],
  [{ asOf: Date.UTC(2020, 0, 1) }, 'before the sample world begins'],
  [{ asOf: Number.NaN }, 'before the sample world begins'],
])('refuses %j', async (change, complaint) => {
  await expect(writeSampleData('/nowhere', { ...options, ...change })).rejects.toThrow(complaint)
})

test('says so when the folder cannot be written', async () => {
  await expect(writeSampleData('/dev/null/data', options)).rejects.toMatchObject({ problems: [{ code: 'A8504' }] })
})
