/** Nights of identity resolution over a real warehouse: the links of a night, who is who, and what the state keeps of it. */
import { dropPeople, type People, rememberPeople, resolvePeople } from '../../../src/plan/identity/people.ts'
import type { PeopleSummary } from '../../../src/plan/identity/people-summary.ts'
import type { Identity } from '../../../src/project/policies.ts'
import { raw } from '../../../src/warehouse/sql.ts'
import { isBigquery, isPostgres, openEngine } from '../engine.ts'

export type Link = readonly [leftType: string, leftValue: string | null, rightType: string, rightValue: string | null]

const place = { file: 'activate.yml', line: 9, column: 5 }

export function identityOf(more: Partial<Identity> = {}): Identity {
  const identifiers: Identity['identifiers'] = [
    { name: 'email', normalise: 'email', place },
    { name: 'email_sha256', normalise: 'lower', hashOf: 'email', place },
    { name: 'phone', normalise: 'e164', region: 'GB', place },
    { name: 'device', normalise: 'trim', place },
  ]
  return {
    entity: 'customer',
    key: 'customer_id',
    identifiers,
    links: [],
    maxCluster: 50,
    minConfidence: 0,
    place,
    ...more,
  }
}

export interface Resolved {
  readonly people: People
  readonly summary: PeopleSummary
  readonly warnings: readonly string[]
  /** Key → entity, of the keys that are one person with another. */
  readonly members: Readonly<Record<string, string>>
  /** `type value → entity`, sorted. */
  readonly identifiers: readonly string[]
}

export interface NightOptions {
  readonly identity?: Partial<Identity>
  readonly asOf?: string
  /** Further columns of each link, as SQL. */
  readonly columns?: Readonly<Record<string, string>>
}

export interface IdentityNights {
  /** Resolves, remembers nothing. */
  look(links: readonly Link[], options?: NightOptions): Promise<Resolved>
  /** Resolves and remembers. */
  night(links: readonly Link[], options?: NightOptions): Promise<Resolved>
  /** The models are given by their selects. */
  lookAt(selects: string | readonly string[], options?: NightOptions): Promise<Resolved>
  remember(people: People): Promise<void>
  /** `type value → entity, since`, sorted. */
  identities(): Promise<readonly string[]>
  /** `at: event entity other`, in the order of writing days. */
  history(): Promise<readonly string[]>
  /** Scratch tables that stand. */
  tables(): Promise<readonly string[]>
  /** Drops those of all nights so far. */
  drop(): Promise<void>
  /** Forgets everything. */
  reset(): Promise<void>
  close(): Promise<void>
}

export async function openIdentityNights(): Promise<IdentityNights> {
  const { warehouse, close } = await openEngine()
  const rows = async (sql: string) => (await warehouse.query({ sql, params: [] })).map(row => Object.values(row))
  let count = 0
  const looked: People[] = []

  async function lookAt(selects: string | readonly string[], options: NightOptions = {}): Promise<Resolved> {
    count += 1
    const people = await resolvePeople(warehouse, identityOf(options.identity), {
      name: `night_${count}`,
      asOf: options.asOf ?? '2026-03-01T02:00:00Z',
      links: await Promise.all([selects].flat().map(modelOf)),
    })
    looked.push(people)
    const members = await rows(`select key, entity from ${people.members.texts[0]} order by key`)
    const identifiers = await rows(`select type, value, entity from ${people.identifiers.texts[0]}`)
    return {
      people,
      summary: people.summary,
      warnings: people.warnings,
      members: Object.fromEntries(members),
      identifiers: identifiers.map(([type, value, entity]) => `${type} ${value} → ${entity}`).sort(),
    }
  }
  const modelOf = async (select: string) => {
    return { model: 'seen_together', select: raw(select), columns: await warehouse.describe(select), place }
  }
  const look = (links: readonly Link[], options: NightOptions = {}) => lookAt(selectOf(links, options.columns), options)
  const remember = (people: People) => rememberPeople(warehouse, people, people.tonight.name)

  const drop = async () => {
    for (const people of looked.splice(0)) await dropPeople(warehouse, people)
  }

  return {
    look,
    lookAt,
    remember,
    async night(links, options) {
      const resolved = await look(links, options)
      await remember(resolved.people)
      return resolved
    },
    async identities() {
      const found = await rows(
        'select type, value, entity, cast(cast(since as date) as varchar) from activate.identities',
      )
      return found.map(([type, value, entity, since]) => `${type} ${value} → ${entity}, ${since}`).sort()
    },
    async history() {
      const found = await rows(
        `select cast(cast(as_of as date) as varchar), event, entity, coalesce(other, '') from activate.identity_history order by 1, 2, 3, 4`,
      )
      return found.map(([at, event, entity, other]) => `${at}: ${event} ${entity} ${other}`.trim())
    },
    async tables() {
      // Those of BigQuery are tables of the state's dataset, which `tables` of the port leaves out.
      if (isBigquery()) return []
      const found = await rows(
        isPostgres()
          ? `select substr(relname, 22) from pg_class where relname like 'scratch\\_\\_%' and relname not like '%\\_\\_alive' order by 1`
          : `select table_name from duckdb_tables() where temporary order by 1`,
      )
      return found.map(([name]) => String(name))
    },
    drop,
    async reset() {
      await drop()
      // Who opened the warehouse knows that the tables are there.
      for (const table of await warehouse.tables(warehouse.state, 'identit'))
        await warehouse.execute({ sql: `delete from activate.${table} where true`, params: [] })
    },
    close,
  }
}

function selectOf(links: readonly Link[], columns: Readonly<Record<string, string>> = {}): string {
  const more = Object.entries(columns).map(([name, expression]) => `, ${expression} as ${name}`)
  const rows = links.map(link => `(${link.map(literal).join(', ')})`)
  const values = rows.length === 0 ? `('', '', '', '')` : rows.join(', ')
  const where = rows.length === 0 ? ' where false' : ''
  return `select *${more.join('')} from (values ${values}) link(left_type, left_value, right_type, right_value)${where}`
}

function literal(text: string | null): string {
  return text === null ? 'null::varchar' : `'${text.replaceAll("'", "''")}'`
}
