/**
 * A person in the tool's own tables: how their rows are found, counted and removed. Pure. A person is known by the keys that
 * identity resolved to them; their rows by those, by `person`, and by composite keys that hold one of them.
 */
import type { Dialect } from '../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../warehouse/sql.ts'
import { identityTables } from './identity/identity-state.ts'
import { outboxColumns, payloadColumns, type StateTable, snapshotColumnsOf, stateTables } from './state.ts'

/** A table of the state, by what it is. */
export interface ErasableTable {
  /** Its name in the state schema. */
  readonly name: string
  readonly relation: Fragment
  /** What a person would call it: all snapshots are one. */
  readonly what: string
  readonly columns: readonly string[]
}

/** `runs` and `holdouts` are about nobody; the texts of `runs` are redacted. */
const notAboutPeople: readonly StateTable[] = ['runs', 'holdouts']

/** Every table among these that holds people; scratch tables that a crash left behind are not among them. */
export function erasableTables(dialect: Dialect, state: readonly string[], names: readonly string[]) {
  const table = (name: string, what: string, columns: object): ErasableTable => ({
    ...{ name, what, columns: Object.keys(columns) },
    relation: raw(dialect.relation([...state, name])),
  })
  return names.flatMap((name): readonly ErasableTable[] => {
    if (name.startsWith('snapshot__')) return [table(name, 'snapshots', snapshotColumnsOf(dialect))]
    if (name.startsWith('payloads__')) return [table(name, 'payloads', payloadColumns)]
    if (name.startsWith('outbox__')) return [table(name, 'outboxes', outboxColumns)]
    if (Object.hasOwn(identityTables, name)) return [table(name, name, identityTables[name as 'identities'])]
    if (!Object.hasOwn(stateTables, name) || notAboutPeople.includes(name as StateTable)) return []
    return [table(name, name, stateTables[name as StateTable])]
  })
}

/** Tables that only a crash leaves behind; with every lease held nobody needs them. */
export function isLeftover(name: string): boolean {
  return /^(acked|exceptions|opt_outs)__/.test(name)
}

export interface PersonTraces {
  /** The person's own keys. */
  readonly persons: readonly string[]
  /** Keys of their rows; their own are among them. */
  readonly keys: readonly string[]
  /** The name of the person's key, under which `identities` has it. */
  readonly keyName: string
}

/** Rows of a table that are about the person. */
export function isAbout({ name, columns }: ErasableTable, traces: PersonTraces): Fragment {
  const { persons, keys, keyName } = traces
  if (name === 'identities')
    return sql`(entity in (${list(persons)}) or (type = ${keyName} and value in (${list(persons)})))`
  if (name === 'identity_history') return sql`(entity in (${list(persons)}) or other in (${list(persons)}))`
  const conditions = [
    ...(columns.includes('key') ? [sql`key in (${list(keys)})`] : []),
    ...(columns.includes('person') ? [sql`person in (${list(persons)})`] : []),
  ]
  return sql`(${join(conditions, ' or ')})`
}

function list(values: readonly string[]): Fragment {
  return join(
    values.map(value => sql`${value}`),
    ', ',
  )
}

/** `value`, `entity` of the keys of the person who has this one. */
export function selectPersonKeys(identities: Fragment, keyName: string, key: string): Fragment {
  const own = sql`select entity from ${identities} where type = ${keyName} and value = ${key}`
  return sql`select value, entity from ${identities} where type = ${keyName} and (entity in (${own}) or entity = ${key})`
}

/** `value` of the other identifiers of these people. */
export function selectIdentifierValues(identities: Fragment, { keyName, persons }: PersonTraces): Fragment {
  return sql`select distinct value from ${identities} where type <> ${keyName} and entity in (${list(persons)})`
}

/** `key` of the rows whose `person` is one of these. */
export function selectKeysOfPersons({ relation }: ErasableTable, persons: readonly string[]): Fragment {
  return sql`select distinct key from ${relation} where person in (${list(persons)})`
}

/** `key` of composite keys in which one of these texts stands somewhere; the caller looks where. */
export function selectCompositeKeys({ relation }: ErasableTable, persons: readonly string[]): Fragment {
  const named = persons.map(person => sql`strpos(key, ${JSON.stringify(person)}) > 0`)
  return sql`select distinct key from ${relation} where key like '[%' and (${join(named, ' or ')})`
}

/** Columns of JSON texts, whose values are what else tells who the person is. */
export function selectPayloads(table: ErasableTable, traces: PersonTraces): readonly Fragment[] {
  const columns = table.columns.filter(column => ['payload', 'previous', 'row'].includes(column))
  return columns.map(column => {
    const text = raw(`q.${column}`)
    return sql`select ${text} as text from ${table.relation} q where ${text} is not null and ${isAbout(table, traces)}`
  })
}

/** Rows of `quarantine` without a key of their own, in which one of these texts stands somewhere. */
export function selectUnkeyedRows(quarantine: Fragment, persons: readonly string[]): Fragment {
  const named = persons.map(
    person => sql`strpos(q.row, ${JSON.stringify(person)}) > 0 or strpos(q.row, ${`:${person}`}) > 0`,
  )
  return sql`select distinct q.row as row_text from ${quarantine} q where q.row is not null and (${join(named, ' or ')})`
}

/** The key of the person whom a row in quarantine is about, a JSON text; undefined when it does not say. */
export function personOfRow(row: string, keyName: string): string | undefined {
  const value: unknown = JSON.parse(row)
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, keyName)) return undefined
  const own: unknown = (value as Readonly<Record<string, unknown>>)[keyName]
  return own === null ? undefined : String(own)
}

/** Texts in which several people may be named. */
export const namingTexts = [
  { table: 'runs', column: 'plan', id: ['run_id'], plan: true },
  { table: 'rejections', column: 'message', id: ['sync', 'key'], plan: false },
] as const satisfies readonly {
  readonly table: StateTable
  readonly column: string
  readonly id: readonly string[]
  readonly plan: boolean
}[]
