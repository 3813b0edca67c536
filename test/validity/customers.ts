/** What real customers spent, of the data sets that the tests use: nothing where they are absent. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'

const folder = process.env.ACTIVATE_DATA_DIR ?? join(import.meta.dirname, '../../../shared/data')
const day = 86_400_000

interface Spending {
  readonly name: string
  /** Of each customer. */
  readonly spent: readonly number[]
  /** Arms in which at least ten withheld people are expected to spend anything. */
  readonly sizes: readonly [treated: number, withheld: number]
}

export function realSpending(): readonly Spending[] {
  return [hillstrom, cdnow].flatMap(read => read())
}

/** Two weeks after an e-mail, or after none (MineThatData, 2008). */
function hillstrom(): readonly Spending[] {
  const file = join(folder, 'hillstrom.csv')
  if (!existsSync(file)) return []
  const rows: readonly { readonly spend: string }[] = parse(readFileSync(file), { columns: true })
  return [{ name: 'Hillstrom’s customers', spent: rows.map(({ spend }) => Number(spend)), sizes: [57_000, 3000] }]
}

/** What customers of CDNOW bought in the ninety days after the day of their first purchase (1997). */
function cdnow(): readonly Spending[] {
  const file = join(folder, 'cdnow.txt')
  if (!existsSync(file)) return []
  const first = new Map<string, number>()
  const later = new Map<string, number>()
  for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
    const [customer, date = '', , dollars] = line.trim().split(/\s+/)
    if (customer === undefined || customer === '') continue
    const at = Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6, 8)}`)
    const since = first.get(customer)
    if (since === undefined) first.set(customer, at)
    else if (at > since && at - since <= 90 * day) later.set(customer, (later.get(customer) ?? 0) + Number(dollars))
  }
  const spent = [...first.keys()].map(customer => later.get(customer) ?? 0)
  return [{ name: 'CDNOW’s customers', spent, sizes: [9500, 500] }]
}
