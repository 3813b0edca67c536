import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileModels } from '../../src/models/compile.ts'
import { loadProject } from '../../src/project/load.ts'
import { instantText } from '../../src/sandbox/sample-data/calendar.ts'
import { sampleWorld } from '../../src/sandbox/sample-data/sample-world.ts'
import type { SampleTableName } from '../../src/sandbox/sample-data/tables.ts'
import { writeSampleData } from '../../src/sandbox/sample-data/write.ts'
import type { Row } from '../../src/warehouse/warehouse.ts'
import { wire } from '../../src/wire.ts'

const example = resolve(import.meta.dirname, '../..')
const night = Date.UTC(2026, 2, 4, 2)
const options = { seed: 1, customers: 1_200, asOf: night }
const hour = 3_600_000
const world = sampleWorld(options)

let folder: string

/** The sample world's own rows, which no SQL has touched. */
function told(name: SampleTableName): Readonly<Record<string, string>>[] {
  const { columns, rows } = world[name]
  return rows.map(row => Object.fromEntries(columns.map((column, index) => [column, String(row[index] ?? '')])))
}

/** What a model of the example comes to, at the night or at another clock. */
async function rowsOf(model: string, asOf = night): Promise<readonly Row[]> {
  const project = await loadProject(folder, { env: {} })
  const wired = wire(project, { env: {} })
  try {
    const warehouse = await wired.warehouse()
    const compiled = compileModels(project, { dialect: warehouse.dialect, asOf, state: warehouse.state })
    for (const sql of compiled.statementsFor(model)) await warehouse.execute({ sql, params: [] })
    return await warehouse.query({ sql: compiled.model(model).sql, params: [] })
  } finally {
    await wired.close()
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-recipes-'))
  for (const part of ['activate.yml', 'models', 'syncs', 'outcomes'])
    await cp(join(example, part), join(folder, part), { recursive: true })
  await writeSampleData(join(folder, 'data'), options)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('abandoned checkout', () => {
  const products = told('products')
  const inDunning = new Set(told('subscriptions').flatMap(row => (row.status === 'past_due' ? row.customer_id : [])))

  /** A product as it was at an instant. */
  function productAt(id: string, at: string) {
    return products.findLast(({ product_id, changed_at = '' }) => product_id === id && changed_at <= at)
  }

  function expected(asOf: number): string[] {
    const [now, oldest, newest] = [asOf, asOf - 48 * hour, asOf - 4 * hour].map(instantText)
    const orders = told('orders').filter(({ ordered_at = '' }) => ordered_at < (now ?? ''))
    const newestCart = new Map<string, Readonly<Record<string, string>>>()
    const events = told('product_events').filter(
      row => row.event === 'add_to_cart' && (row.happened_at ?? '') < (now ?? ''),
    )
    for (const cart of events) {
      const known = newestCart.get(cart.customer_id ?? '')
      if ((cart.happened_at ?? '') >= (known?.happened_at ?? '')) newestCart.set(cart.customer_id ?? '', cart)
    }
    const reachable = new Map(told('customers').map(({ customer_id, email }) => [customer_id, email ?? '']))
    return [...newestCart].flatMap(([customer, { happened_at: left = '', product_id = '' }]) => {
      const [then, today] = [productAt(product_id, left), productAt(product_id, now ?? '')]
      const fits = left > (oldest ?? '') && left <= (newest ?? '')
      const bought = orders.some(order => order.customer_id === customer && (order.ordered_at ?? '') >= left)
      const onShelf = Number(today?.stock) > 0 && Number(today?.price) <= Number(then?.price)
      const address = /^[^@]+@[^@]+$/.test(reachable.get(customer) ?? '')
      return fits && onShelf && !bought && !inDunning.has(customer) && address ? [customer] : []
    })
  }

  test.each([0, 8, 30, 60])('calls back exactly those whose cart still makes sense, %i hours earlier', async hours => {
    const asOf = night - hours * hour
    const found = (await rowsOf('abandoned_checkout', asOf)).map(({ customer_id }) => String(customer_id))
    expect(found.sort()).toEqual(expected(asOf).sort())
    expect(found.length).toBeGreaterThan(0)
  })

  test('forgets a cart once the thing is sold out everywhere', async () => {
    const path = join(folder, 'data', 'products.csv')
    const before = await readFile(path, 'utf8')
    const ids = [...new Set(products.map(({ product_id }) => product_id ?? ''))]
    const gone = ids.map(id => `${id},gone,1.00,0,${instantText(night - hour)}\n`).join('')
    await writeFile(path, before + gone)
    try {
      expect(await rowsOf('abandoned_checkout')).toEqual([])
    } finally {
      await writeFile(path, before)
    }
  })
})

describe('renewal, dunning, win-back', () => {
  test('nobody who owes a payment is invited back', async () => {
    const owing = new Set((await rowsOf('in_dunning')).map(({ customer_id }) => customer_id))
    const invited = await rowsOf('win_back')
    expect(owing.size).toBeGreaterThan(0)
    expect(invited.length).toBeGreaterThan(0)
    expect(invited.filter(({ customer_id }) => owing.has(customer_id))).toEqual([])
  })

  test('who is about to lose the plan hears it by text message, if there is a telephone', async () => {
    const path = join(folder, 'data', 'payments.csv')
    const payments = await readFile(path, 'utf8')
    const pastDue = told('subscriptions').filter(({ status }) => status === 'past_due')
    const third = pastDue.map(({ subscription_id: id, customer_id }) =>
      [`${id}-x`, `${id}-x`, id, customer_id, 3, instantText(night - hour), '9.99', 'failed', 'declined'].join(','),
    )
    await writeFile(path, `${payments}${third.join('\n')}\n`)
    try {
      const customers = new Map((await rowsOf('stg_customers')).map(row => [row.customer_id, row]))
      const reachable = pastDue.filter(({ customer_id = '' }) => {
        const customer = customers.get(customer_id)
        return customer?.phone !== null && customer?.email !== null
      })
      const rows = await rowsOf('last_attempt')
      expect(new Set(rows.map(row => row.invoice_id))).toEqual(
        new Set(reachable.map(row => `${row.subscription_id}-x`)),
      )
      expect(rows.length).toBeGreaterThan(0)
      for (const { phone, retry_on } of rows)
        expect([phone, retry_on]).toEqual([expect.stringMatching(/^\+44\d{10}$/), '2026-03-06'])
    } finally {
      await writeFile(path, payments)
    }
  })
})

describe('lead routing', () => {
  test('a company has one owner, of the team for its territory', async () => {
    const company = new Map(told('leads').map(({ lead_id, account_id }) => [lead_id, account_id]))
    const teams = { uk_ireland: ['maya', 'tom', 'farah'], europe: ['jonas', 'ines'], elsewhere: ['wei'] }
    const owners = new Map<string, Set<unknown>>()
    const rows = await rowsOf('lead_owner')
    expect(rows).toHaveLength(told('leads').length)
    for (const { lead_id, territory, owner } of rows) {
      expect(teams[String(territory) as keyof typeof teams]).toContain(owner)
      const account = company.get(String(lead_id)) || String(lead_id)
      owners.set(account, (owners.get(account) ?? new Set()).add(owner))
    }
    expect([...owners.values()].filter(({ size }) => size > 1)).toEqual([])
    expect(new Set(rows.map(({ owner }) => owner)).size).toBe(6)
  })

  test('when somebody leaves the team, only their own leads move', async () => {
    const path = join(folder, 'models', 'leads', 'sales_team.sql')
    const before = await rowsOf('lead_owner')
    const team = await readFile(path, 'utf8')
    await writeFile(path, team.replace("union all select 'uk_ireland', 'tom'\n", ''))
    try {
      const after = new Map((await rowsOf('lead_owner')).map(({ lead_id, owner }) => [lead_id, owner]))
      const moved = before.filter(({ lead_id, owner }) => after.get(lead_id) !== owner)
      expect(moved.length).toBeGreaterThan(0)
      expect(new Set(moved.map(({ owner }) => owner))).toEqual(new Set(['tom']))
      expect([...after.values()]).not.toContain('tom')
    } finally {
      await writeFile(path, team)
    }
  })

  test('a score fades while a lead does nothing, and what it did counts', async () => {
    const score = async (asOf: number) =>
      new Map((await rowsOf('lead_score', asOf)).map(({ lead_id, score: points }) => [lead_id, Number(points)]))
    const [tonight, inAQuarter] = [await score(night), await score(night + 90 * 24 * hour)]
    expect([...inAQuarter].filter(([lead, points]) => points > (tonight.get(lead) ?? 0))).toEqual([])
    expect(Math.max(...inAQuarter.values())).toBeLessThanOrEqual(40)
    const asked = told('lead_events').filter(({ event, happened_at = '' }) => {
      return event === 'demo_request' && happened_at > instantText(night - 7 * 24 * hour)
    })
    expect(asked.length).toBeGreaterThan(0)
    for (const { lead_id } of asked) expect(tonight.get(lead_id ?? '')).toBeGreaterThanOrEqual(30)
  })
})

describe('what the policies read', () => {
  test('consents are told with what they rest on, those of leads among them', async () => {
    const rows = await rowsOf('consents')
    expect(rows.filter(({ basis, evidence }) => !basis || !evidence)).toEqual([])
    const people = new Set(rows.map(({ customer_id }) => String(customer_id)))
    expect([...people].some(id => id.startsWith('L'))).toBe(true)
    // Without the terms' own row, a failed payment could not be told to anybody.
    const service = rows.filter(
      ({ purpose, channel, status }) => `${purpose} ${channel} ${status}` === 'service email granted',
    )
    expect(service).toHaveLength(told('customers').length)
  })

  test('links find second accounts and never make strangers one person', async () => {
    const links = await rowsOf('identity_links')
    const owners = new Map<string, Set<unknown>>()
    for (const { left_value, right_type, right_value } of links) {
      const name = `${right_type} ${right_value}`
      owners.set(name, (owners.get(name) ?? new Set()).add(left_value))
    }
    const shared = [...owners.values()].filter(({ size }) => size > 1)
    expect(shared.length).toBeGreaterThan(5)
    expect(Math.max(...shared.map(({ size }) => size))).toBeLessThan(4)
  })
})
