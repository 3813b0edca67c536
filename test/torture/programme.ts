/**
 * The reference model of two syncs over the same people: a mirror, and a communication under consent and a cap. It knows nothing of diffs,
 * requests or ledgers: only what must be at the destination once a night is done.
 */
import { isBad } from './far-end.ts'
import { type ClassName, idempotencyClasses } from './idempotency-classes.ts'

export interface Person {
  readonly name: string
  readonly tier: string
}

export type Answer = 'granted' | 'denied'

export class Programme {
  readonly people = new Map<string, Person>()
  readonly answers = new Map<string, Answer>()
  readonly optedOut = new Set<string>()
  /** Whether `tier` is mapped as well. */
  wide = false
  /** What the mirror must hold. */
  readonly mirrored = new Map<string, Partial<Person>>()
  /** Who has had the communication since they last came in. */
  readonly members = new Set<string>()
  /** The nights in which somebody had it. */
  readonly had = new Map<string, number[]>()

  /** One communication within so many nights, this one included. */
  static readonly capNights = 3

  mayBeKept(key: string): boolean {
    return this.people.has(key) && this.answers.get(key) !== 'denied' && !this.optedOut.has(key)
  }

  mayBeWrittenTo(key: string): boolean {
    return this.people.has(key) && this.answers.get(key) === 'granted' && !this.optedOut.has(key)
  }

  /** Who must have the communication tonight. */
  due(night: number): readonly string[] {
    return [...this.people].flatMap(([key, person]) => {
      const recent = (this.had.get(key) ?? []).some(before => night - before < Programme.capNights)
      return this.mayBeWrittenTo(key) && !this.members.has(key) && !isBad({ ...person }) && !recent ? [key] : []
    })
  }

  /** The night is done; `written` had the communication in it. */
  pass(night: number, written: ReadonlySet<string>): void {
    for (const key of [...this.mirrored.keys()]) if (!this.mayBeKept(key)) this.mirrored.delete(key)
    for (const [key, { name, tier }] of this.people) {
      if (this.mayBeKept(key) && !isBad({ name })) this.mirrored.set(key, this.wide ? { name, tier } : { name })
    }
    for (const key of [...this.members]) if (!this.mayBeWrittenTo(key)) this.members.delete(key)
    for (const key of written) {
      this.had.set(key, [...(this.had.get(key) ?? []), night])
      if (this.mayBeWrittenTo(key)) this.members.add(key)
    }
  }

  files(url: string, ledger: string, idempotency: ClassName): Readonly<Record<string, string>> {
    const { yaml } = idempotencyClasses[idempotency]
    const fields = this.wide ? 'fields: { name: name, tier: tier }' : 'fields: { name: name }'
    const batch = `batch: { max_records: 3, wrap: records }
        outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }`
    const who = 'channel: email\npurpose: marketing\n'
    return {
      'activate.yml': `
name: torture
ledger: ${ledger}
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
  answers: { csv: data/answers.csv, columns: { id: { type: string } } }
identity: { entity: person, key: id }
policies:
  consent: { model: consents, default: { communications: deny, data: allow } }
  caps:
    - { name: mail, channel: email, max: 1, per: ${Programme.capNights * 24 - 12}h }
destinations:
  far:
    type: http
    base_url: ${url}
    allow_private_network: true
    concurrency: 2
    actions:
      put:
        method: POST
        path: /put
        idempotency: natural
        ${batch}
      remove:
        method: POST
        path: /remove
        for: leavers
        idempotency: natural
        ${batch}
      post: { method: POST, path: /post, idempotency: ${yaml} }
`,
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name, tier from {{source "people"}}\n',
      'models/consents.sql': `/*---
key: [id, channel, purpose]
---*/
select id, 'email' as channel, 'marketing' as purpose, status, timestamp '2026-01-01' as updated_at from {{source "answers"}}
`,
      'syncs/crm.yml': `model: everyone\ndestination: far\naction: put\nmode: mirror\n${who}guard: { min_rows: 0 }\n${fields}\n`,
      'syncs/mail.yml': `model: everyone\ndestination: far\naction: post\nmode: trigger\n${who}guard: { min_rows: 0 }
trigger: { on: enter, reentry: always, first_run: send }\n${fields}\n`,
      'data/people.csv': csv(
        'id,name,tier',
        [...this.people].map(([key, { name, tier }]) => [key, name, tier]),
      ),
      'data/answers.csv': csv('id,status', [...this.answers]),
    }
  }
}

function csv(head: string, rows: readonly (readonly string[])[]): string {
  return `${head}\n${rows.map(row => `${row.join(',')}\n`).join('')}`
}
