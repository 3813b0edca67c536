/**
 * The relations that policies read, made ready for a night: models of consents, suppressions and QA people computed once,
 * people resolved once, opt-outs read from the ledger. What is kept here is shared by every sync of the night.
 */
import type { Ledger } from '../ledger/ledger.ts'
import { type People, rememberPeople, resolvePeople } from '../plan/identity/people.ts'
import type { PeopleSummary } from '../plan/identity/people-summary.ts'
import { normaliseSql } from '../plan/normalisation.ts'
import { type ConsentParams, countOddConsents, selectAnswers, selectDenied } from '../plan/policies/consent.ts'
import {
  noPolicies,
  type OptOuts,
  type PolicyRelations,
  type Suppressed,
  withEntity,
} from '../plan/policies/relations.ts'
import { execute, query, type Stage, writeScratch } from '../plan/stage.ts'
import { concerns } from '../project/communication.ts'
import type { SuppressionList } from '../project/policies.ts'
import { ActivateError, type Place } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { headerOf } from '../warehouse/csv-file.ts'
import type { Column } from '../warehouse/dialect.ts'
import { seedCsv } from '../warehouse/seed.ts'
import { type Fragment, raw, sql } from '../warehouse/sql.ts'
import { judgeModel } from './contract.ts'
import { findErasedPeople } from './erased.ts'
import type { Night } from './night.ts'
import { computeModel, modelNamed } from './night.ts'

/** What a sync goes by tonight. */
export interface SyncPolicies {
  readonly relations: PolicyRelations
  /** For the plan's warnings. */
  readonly notes: readonly string[]
  /** The newest opt-out that was taken into account; later ones are looked for before each send. */
  readonly newestOptOut: number
}

/** Throws what is wrong with the models that policies name: A4023 to A4026, and whatever their contracts say. */
export async function policiesFor(night: Night, sync: Sync): Promise<SyncPolicies> {
  const { policies } = night.wired.project
  const people = await peopleOf(night)
  const base: PolicyRelations = {
    ...noPolicies,
    members: people?.members,
    identifiers: people?.identifiers,
    tonight: night.tonight.relation,
  }
  const notes = [...(people?.warnings ?? [])]

  const consent = await consentsFor(night, sync, base)
  notes.push(...(consent?.notes ?? []))
  const suppressed: Suppressed[] = []
  for (const list of policies.suppression.filter(({ appliesTo }) => concerns(appliesTo, sync))) {
    const found = await suppressionFor(night, list, base)
    if (found.note !== undefined) notes.push(found.note)
    suppressed.push(found.suppressed)
  }
  const optOuts = await optOutsFor(night, sync)
  const relations: PolicyRelations = {
    ...base,
    answers: consent?.answers,
    denied: consent?.denied,
    suppressed,
    optOuts: optOuts.lists,
    qa: await qaFor(night, sync, base),
  }
  return { relations, notes, newestOptOut: optOuts.newest }
}

/** People are resolved for the first sync of the night that asks. */
async function peopleOf(night: Night): Promise<People | undefined> {
  const { identity } = night.wired.project
  if (identity === undefined || identity.links.length === 0) return undefined
  return night.once('people', async () => {
    const links = []
    for (const { model, place } of identity.links) {
      const stage = await stageOf(night, model)
      links.push({ model, select: sql`select * from ${stage.relation}`, columns: stage.columns, place })
    }
    const asOf = new Date(night.asOf).toISOString()
    return resolvePeople(night.warehouse, identity, { name: night.name, asOf, links })
  })
}

/** Tonight's people in figures; undefined where the project links nobody. */
export async function peopleSummary(night: Night): Promise<PeopleSummary | undefined> {
  return (await peopleOf(night))?.summary
}

/** Writes who is who into the state; only what executes a plan does this. */
export async function rememberNight(night: Night, runId: string): Promise<void> {
  const people = await peopleOf(night)
  if (people === undefined) return
  await night.once('remembered', async () => {
    const erased = await findErasedPeople(night, people.tonight.persons, people.members)
    await rememberPeople(night.warehouse, people, runId, erased)
  })
}

/** A policy's model is computed once a night. One row that breaks its contract stops it: leaving it out could be leaving out a no. */
function stageOf(night: Night, name: string): Promise<Stage> {
  return night.once(`stage ${name}`, async () => {
    const model = modelNamed(night, name)
    const { stage } = await computeModel(night, model, `policy__${name}__${night.name}`)
    const { problems } = await judgeModel(
      night.warehouse,
      model,
      stage,
      { onBadKey: 'fail', onViolation: 'fail' },
      night.compiled,
    )
    const [first, ...others] = problems
    if (first !== undefined) throw new ActivateError('failed', [first, ...others])
    return stage
  })
}

/** Text of the person's own key over a policy's model: its `identity.key`, its `key`, or what is left of its front matter's. */
function personIn(night: Night, model: string, stage: Stage, place: Place, others: readonly string[] = []): Fragment {
  const { identity } = night.wired.project
  const own = modelNamed(night, model).key.filter(name => !others.includes(name))
  const candidates = [...(identity === undefined ? [] : [identity.key]), 'key', ...(own.length === 1 ? own : [])]
  const column = candidates
    .map(name => stage.columns.find(candidate => candidate.name === name))
    .find(found => found !== undefined)
  const { dialect } = night.warehouse
  if (column !== undefined) return raw(dialect.asText(dialect.quote(column.name), column))
  throw new ActivateError('invalid', {
    code: 'A4023',
    message: `model "${model}" does not say whom a row is about: it returns ${stage.columns.map(({ name }) => name).join(', ')}`,
    place,
    help: `return the key of the person as ${candidates[0] ?? 'key'}`,
  })
}

interface Consents {
  readonly answers: Fragment
  readonly denied: Fragment
  readonly notes: readonly string[]
}

async function consentsFor(night: Night, sync: Sync, { members }: PolicyRelations): Promise<Consents | undefined> {
  const { consent } = night.wired.project.policies
  if (consent === undefined) return undefined
  const { dialect } = night.warehouse
  const stage = await stageOf(night, consent.model)
  const person = personIn(night, consent.model, stage, consent.place, ['channel', 'purpose'])
  const asOf = new Date(night.asOf).toISOString()
  const notes = await night.once('consents', () => checkConsents(night, stage, person, asOf))
  const has = (name: string) => stage.columns.some(column => column.name === name)
  const params: ConsentParams = {
    ...{ consents: stage.relation, person, channel: sync.channel, purpose: sync.purpose, asOf, members },
    has: { basis: has('basis'), evidence: has('evidence') },
  }
  const kind = `${sync.channel ?? ''}__${sync.purpose ?? ''}`
  return night.once(`consents ${kind}`, async () => {
    const answers = sql`(${selectAnswers(dialect, params)}) answers`
    const denied = await writeScratch(night.warehouse, `denied__${kind}__${night.name}`, selectDenied(answers))
    return { answers, denied, notes }
  })
}

/** A4026 for answers that cannot be understood: leaving one out could be leaving out a no. */
async function checkConsents(night: Night, stage: Stage, person: Fragment, asOf: string): Promise<readonly string[]> {
  const { warehouse, wired } = night
  const { consent } = wired.project.policies
  if (consent === undefined) return []
  const model = modelNamed(night, consent.model)
  const missing = ['channel', 'purpose', 'status', 'updated_at'].filter(
    name => !stage.columns.some(column => column.name === name),
  )
  if (missing.length > 0)
    throw new ActivateError('invalid', {
      code: 'A4026',
      message: `model "${model.name}" returns no ${missing.join(', ')}, which consents need`,
      place: model.place,
      help: 'it needs the key of the person, channel, purpose, status (granted or denied) and updated_at',
    })
  const [counts = {}] = await query(warehouse, countOddConsents(warehouse.dialect, stage.relation, person, asOf))
  const problems = [
    ['odd_status', 'whose status is neither granted nor denied'],
    ['undated', 'without updated_at'],
    ['nobody', 'without a person'],
  ] as const
  const found = problems.flatMap(([name, what]) =>
    Number(counts[name]) > 0 ? [`${counts[name]} answers ${what}`] : [],
  )
  if (found.length > 0)
    throw new ActivateError('failed', {
      code: 'A4026',
      message: `model "${model.name}" has ${found.join(', ')}`,
      place: model.place,
      help: 'mend them in the model: an answer that is left out might be a no',
    })
  const future = Number(counts.future)
  return future === 0
    ? []
    : [`${future} consent${future === 1 ? ' is' : 's are'} from the future of the run's clock and not counted yet`]
}

interface FoundSuppression {
  readonly suppressed: Suppressed
  readonly note: string | undefined
}

function suppressionFor(night: Night, list: SuppressionList, base: PolicyRelations): Promise<FoundSuppression> {
  const { policies } = night.wired.project
  const number = policies.suppression.indexOf(list)
  return night.once(`suppression ${number}`, async () => {
    const { warehouse } = night
    const value = await suppressedValues(night, list)
    const name = `suppressed_${number}__${night.name}`
    const values = await writeScratch(
      warehouse,
      name,
      sql`select distinct value from (select ${value.expression} as value from ${value.from}) listed where value is not null and value <> ''`,
    )
    const [row] = await query(warehouse, sql`select count(*) as n from ${values}`)
    const note = Number(row?.n) === 0 ? `the suppression list of reason ${list.reason} is empty` : undefined
    const byPerson = isByPerson(night, list)
    const own = withEntity(base, sql`${values} v`, raw('v.value'))
    const people = byPerson
      ? sql`(select ${own.entity} as entity from ${own.from})`
      : base.identifiers === undefined
        ? sql`(select value as entity from ${values} where 1 = 0)`
        : sql`(select entity from ${base.identifiers} where type = ${list.identifier ?? ''} and value in (select value from ${values}))`
    return {
      suppressed: {
        list,
        people: await writeScratch(warehouse, `${name}__people`, sql`select distinct entity from ${people} people`),
        values: byPerson ? undefined : values,
      },
      note,
    }
  })
}

function isByPerson({ wired }: Night, { identifier }: SuppressionList): boolean {
  return identifier === undefined || identifier === wired.project.identity?.key
}

/** The tidied values of a list, as an expression over something to select from. */
async function suppressedValues(
  night: Night,
  list: SuppressionList,
): Promise<{ readonly expression: Fragment; readonly from: Fragment }> {
  const { dialect } = night.warehouse
  const { from } = list
  const identifier = night.wired.project.identity?.identifiers.find(({ name }) => name === list.identifier)
  const tidy = (text: string) =>
    raw(identifier === undefined ? text : normaliseSql(dialect, text, identifier.normalise, identifier.region))
  if ('csv' in from) return readListFile(night, list, from.csv, tidy)
  const stage = await stageOf(night, from.model)
  const wanted = list.column ?? (isByPerson(night, list) ? undefined : list.identifier)
  if (wanted === undefined) return { expression: personIn(night, from.model, stage, list.place), from: stage.relation }
  const column = stage.columns.find(({ name }) => name === wanted)
  if (column === undefined)
    throw new ActivateError('invalid', {
      code: 'A4023',
      message: `model "${from.model}" returns no column "${wanted}", which its suppression list reads`,
      place: list.place,
      help: `it returns ${stage.columns.map(({ name }) => name).join(', ')}; name one with column`,
    })
  return { expression: tidy(dialect.asText(dialect.quote(column.name), column)), from: stage.relation }
}

async function readListFile(
  night: Night,
  list: SuppressionList,
  path: string,
  tidy: (text: string) => Fragment,
): Promise<{ readonly expression: Fragment; readonly from: Fragment }> {
  const { warehouse, wired } = night
  const unreadable = (why: string, help: string) =>
    new ActivateError('failed', {
      code: 'A4024',
      message: `the suppression list ${path} cannot be read: ${why}`,
      place: list.place,
      help,
    })
  const { untyped, columns } = await describeList(night, path).catch((error: unknown) => {
    throw unreadable(
      error instanceof Error ? error.message : String(error),
      'nothing was sent: a list that is missing is not an empty list',
    )
  })
  const [only, another] = columns
  const wanted =
    list.column ??
    [list.identifier, wired.project.identity?.key, 'key'].find(name => columns.some(column => column.name === name)) ??
    (another === undefined ? only?.name : undefined)
  if (wanted === undefined || !columns.some(({ name }) => name === wanted))
    throw unreadable(
      wanted === undefined ? 'it does not say which column holds whom' : `it has no column "${wanted}"`,
      `it has ${columns.map(({ name }) => name).join(', ')}; name one with column`,
    )
  const typed = warehouse.dialect.fileRelation({ csv: path }, [{ name: wanted, type: 'string' }])
  return {
    expression: tidy(warehouse.dialect.quote(wanted)),
    from: raw(`(select * from ${typed ?? untyped}) listed_file`),
  }
}

/** The list as something to select from; a warehouse that reads no files gets it as texts in a scratch table. */
async function describeList(
  night: Night,
  path: string,
): Promise<{ readonly untyped: string; readonly columns: readonly Column[] }> {
  const { warehouse, name } = night
  const untyped = warehouse.dialect.fileRelation({ csv: path }) ?? (await night.once(`list ${path}`, load))
  return { untyped, columns: await warehouse.describe(`select * from ${untyped}`) }

  async function load(): Promise<string> {
    const scratch = `list__${night.wired.sha256(path).slice(0, 12)}__${name}`
    const columns = (await headerOf(path)).map(column => ({ name: column, type: 'string' as const }))
    await seedCsv(warehouse, { name: path, path, columns, relation: { scratch } })
    return warehouse.dialect.scratch(scratch)
  }
}

async function qaFor(night: Night, sync: Sync, base: PolicyRelations): Promise<Fragment | undefined> {
  const { qaAudience } = sync
  if (qaAudience === undefined) return undefined
  return night.once(`qa ${qaAudience}`, async () => {
    const stage = await stageOf(night, qaAudience)
    const person = personIn(night, qaAudience, stage, sync.places?.qa_audience ?? sync.place)
    const own = withEntity(base, sql`(select ${person} as person from ${stage.relation}) q`, raw('q.person'))
    return writeScratch(
      night.warehouse,
      `qa__${qaAudience}__${night.name}`,
      sql`select distinct entity from (select ${own.entity} as entity from ${own.from}) people where entity is not null`,
    )
  })
}

/** Opt-outs stand in the ledger, where they act even while a run holds the warehouse. */
async function optOutsFor(
  night: Night,
  sync: Sync,
): Promise<{ readonly lists: readonly OptOuts[]; readonly newest: number }> {
  const ledger = await night.wired.knownLedger()
  const newest = (await ledger?.newestSuppression()) ?? 0
  if (ledger === undefined || newest === 0) return { lists: [], newest }
  const lists = await night.once(`opt-outs ${sync.channel ?? ''} ${newest}`, () => loadOptOuts(night, ledger, sync))
  return { lists, newest }
}

async function loadOptOuts(night: Night, ledger: Ledger, { channel, name }: Sync): Promise<readonly OptOuts[]> {
  const { warehouse } = night
  const scratch = `opt_outs__${name}__${night.name}`
  const table = [...warehouse.state, scratch]
  const columns = [
    { name: 'kind', type: 'string' },
    { name: 'hash', type: 'string' },
    { name: 'reason', type: 'string' },
  ] as const
  async function* rows() {
    for await (const chunk of ledger.suppressions())
      yield chunk
        .filter(entry => entry.channel === undefined || entry.channel === channel)
        .map(({ kind, hash, reason }) => [kind, hash, reason])
  }
  await warehouse.load(table, columns, rows())
  const loaded = raw(warehouse.dialect.relation(table))
  // A keyword of GoogleSQL.
  const hash = raw(warehouse.dialect.quote('hash'))
  const relation = await writeScratch(warehouse, scratch, sql`select distinct kind, ${hash}, reason from ${loaded}`)
  await execute(warehouse, sql`drop table ${loaded}`)
  const lists = await query(warehouse, sql`select distinct reason, kind from ${relation} order by 1, 2`)
  return lists.map(row => {
    const [reason, kind] = [String(row.reason), String(row.kind)]
    return {
      reason,
      kind,
      hashes: sql`(select ${hash} from ${relation} where reason = ${reason} and kind = ${kind})`,
    }
  })
}
