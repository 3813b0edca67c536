/** What a life under torture is like: the project's files, and the world that changes from night to night. */
import type { Random } from '../../src/sandbox/seeded.ts'
import { type ClassName, classNames, idempotencyClasses } from './idempotency-classes.ts'

export interface Scenario {
  readonly idempotency: ClassName
  readonly mode: 'mirror' | 'trigger'
  readonly batch: boolean
}

export const scenarios: readonly Scenario[] = classNames.flatMap(idempotency =>
  (['mirror', 'trigger'] as const).flatMap(mode => [true, false].map(batch => ({ idempotency, mode, batch }))),
)

export function describeScenario({ idempotency, mode, batch }: Scenario): string {
  return `${idempotency} ${mode} ${batch ? 'in batches' : 'one by one'}`
}

/** The ledger as `activate.yml` has it. */
export const sqliteLedger = '{ type: sqlite, path: .activate/ledger.db }'

/** The warehouse as `activate.yml` has it; one thread does for a dozen people. */
const duckdbWarehouse = '{ type: duckdb, path: .activate/warehouse.duckdb, threads: 1 }'

export function filesOf(
  scenario: Scenario,
  url: string,
  ledger: string,
  warehouse = duckdbWarehouse,
): Readonly<Record<string, string>> {
  const { yaml } = idempotencyClasses[scenario.idempotency]
  const batch = scenario.batch
    ? `
        batch: { max_records: 3, wrap: records }
        outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }`
    : ''
  const action = (name: string, more = '') => `
      ${name}:
        method: POST
        path: /${name}
        idempotency: ${yaml}${batch}${more}`
  const trigger = scenario.mode === 'trigger' ? 'trigger: { on: enter, reentry: always, first_run: send }\n' : ''
  return {
    'activate.yml': `
name: torture
warehouse: ${warehouse}
ledger: ${ledger}
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far:
    type: http
    base_url: ${url}
    allow_private_network: true
    concurrency: 2
    actions:${action('put')}${action('remove', '\n        for: leavers')}
`,
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
    'syncs/everyone.yml': `model: everyone\ndestination: far\naction: put\nmode: ${scenario.mode}\n${trigger}fields: { name: name }\n`,
  }
}

/** A dozen people who come, change and go. */
export class World {
  private readonly random: Random
  private names = 0
  readonly people = new Map<string, string>()

  constructor(random: Random) {
    this.random = random
    while (this.people.size === 0) this.pass()
  }

  /** A day passes. */
  pass(): void {
    const { random, people } = this
    for (let index = 0; index < 12; index++) {
      const id = `p${index}`
      const fate = random()
      if (!people.has(id) ? fate < 0.4 : fate < 0.3) people.set(id, this.newName())
      else if (fate > 0.85 && people.size > 1) people.delete(id)
    }
  }

  private newName(): string {
    this.names += 1
    return `${this.random() < 0.08 ? 'bad' : 'name'}${this.names}`
  }

  csv(): string {
    return `id,name\n${[...this.people].map(row => `${row.join(',')}\n`).join('')}`
  }
}
