/**
 * Keeps who was erased from coming back while the source still has them: their keys are found among tonight's by their
 * tombstones, and everything that the night writes down leaves them out. What is found stays in scratch tables.
 */

import { personOfRow } from '../plan/erasure.ts'
import { selectCandidates, selectErased } from '../plan/policies/erased.ts'
import type { PolicyRelations } from '../plan/policies/relations.ts'
import { subjectOf } from '../plan/policies/subject.ts'
import { execute, writeScratch } from '../plan/stage.ts'
import { ActivateError } from '../project/problem.ts'
import { type Fragment, join, raw, render, sql } from '../warehouse/sql.ts'
import { modelNamed, type Night, type PreparedSync } from './night.ts'

/** Whom the tombstones know, asked key by key. */
interface Graveyard {
  readonly buckets: readonly string[]
  readonly isErased: (key: string) => boolean
  /** Not of those who have yet to be removed from destinations: they must be found again to be forgotten. */
  readonly isForgotten: (key: string) => boolean
}

const keysPerStatement = 500

/**
 * Undefined where nobody was erased, which is as good as always, and then a sync pays a read of an empty table. Read for each
 * sync, under its lease: between two syncs of a night somebody may be erased.
 */
async function graveyardOf(night: Night): Promise<Graveyard | undefined> {
  const ledger = await night.wired.knownLedger()
  const standing = await ledger?.tombstones(night.wired.clock.now())
  if (ledger === undefined || standing === undefined || standing.length === 0) return undefined
  const made = await ledger.tombstoneMaker()
  const foreign = standing.find(({ keyId }) => keyId !== made.keyId)
  if (foreign !== undefined) throw lostKey(foreign.keyId, made.keyId)
  const states = new Map(standing.map(({ hash, state }) => [hash, state]))
  const buckets = [...new Set(standing.map(({ bucket }) => bucket))].sort()
  const inBucket = new Set(buckets)
  const stateOf = (key: string) => {
    const { hash, bucket } = made.of(key)
    return inBucket.has(bucket) ? states.get(hash) : undefined
  }
  return {
    buckets,
    isErased: key => stateOf(key) !== undefined,
    isForgotten: key => stateOf(key) === 'erased',
  }
}

function lostKey(madeWith: string, given: string): ActivateError {
  return new ActivateError('credentials', {
    code: 'A5015',
    message: `people were erased with the ledger's key ${madeWith}, and the key that is given is ${given}: who must not come back cannot be told`,
    help: 'give the key that the tombstones were made with, under `ledger.key` or as the key file beside the ledger',
  })
}

/** Relation of `key`, `entity` of the erased people among tonight's rows; undefined where there is none. */
export async function findErased(
  night: Night,
  prepared: PreparedSync,
  { members }: Pick<PolicyRelations, 'members'>,
): Promise<Fragment | undefined> {
  const graveyard = await graveyardOf(night)
  if (graveyard === undefined) return undefined
  const { sync, population, runId } = prepared
  const { dialect } = night.warehouse
  const { person } = subjectOf(dialect, {
    ...{ identity: night.wired.project.identity, sync, model: modelNamed(night, sync.model) },
    ...{ columns: population.stage.columns, fields: population.fields, key: population.key.texts[0] ?? '' },
  })
  const candidates = [
    selectCandidates(dialect, population.stage.relation, person, graveyard.buckets),
    ...(members === undefined ? [] : [selectCandidates(dialect, members, 'key', graveyard.buckets)]),
  ]
  return writeErased(night, `erased__${runId}`, graveyard.isErased, candidates, { members })
}

/** The same among the people whom links name, for what is remembered of who is who. */
export async function findErasedPeople(
  night: Night,
  persons: Fragment,
  members: Fragment,
): Promise<Fragment | undefined> {
  const graveyard = await graveyardOf(night)
  if (graveyard === undefined) return undefined
  const candidates = [selectCandidates(night.warehouse.dialect, persons, 'key', graveyard.buckets)]
  return writeErased(night, `erased__${night.name}`, graveyard.isForgotten, candidates, { members })
}

async function writeErased(
  night: Night,
  name: string,
  isWanted: (key: string) => boolean,
  candidates: readonly Fragment[],
  relations: Pick<PolicyRelations, 'members'>,
): Promise<Fragment | undefined> {
  const { warehouse } = night
  const keys: string[] = []
  for (const select of candidates)
    for await (const rows of warehouse.stream(render(select, warehouse.dialect.placeholder)))
      keys.push(...rows.map(({ key }) => String(key)).filter(isWanted))
  if (keys.length === 0) return undefined
  const text = raw(warehouse.dialect.castTo('null', 'string'))
  const found = await writeScratch(warehouse, `${name}__keys`, sql`select ${text} as key where 1 = 0`)
  for (let start = 0; start < keys.length; start += keysPerStatement) {
    const values = keys.slice(start, start + keysPerStatement).map(key => sql`(${key})`)
    await execute(warehouse, sql`insert into ${found} (key) values ${join(values, ', ')}`)
  }
  return writeScratch(warehouse, name, sql`select distinct key, entity from (${selectErased(relations, found)}) people`)
}

/** Takes erased people out of what a quarantine found, before it is written down. */
export async function withoutErased(night: Night, found: Fragment | undefined): Promise<void> {
  const graveyard = await graveyardOf(night)
  if (graveyard === undefined || found === undefined) return
  const { warehouse } = night
  const keyName = night.wired.project.identity?.key ?? 'key'
  const theirs: string[] = []
  const all = render(sql`select q.key as key, q.row as row_text from ${found} q`, warehouse.dialect.placeholder)
  for await (const rows of warehouse.stream(all))
    for (const { key, row_text } of rows) {
      const row = String(row_text)
      const person = personOfRow(row, keyName) ?? (typeof key === 'string' ? key : undefined)
      if (person !== undefined && graveyard.isForgotten(person)) theirs.push(row)
    }
  for (const row of theirs) await execute(warehouse, sql`delete from ${found} as q where q.row = ${row}`)
}
