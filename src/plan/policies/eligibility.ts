/**
 * Who may take part at all: consent, suppression, rollout, QA. Asked of the whole population before the diff, so that
 * somebody who may no longer take part *leaves*, and is removed where the mode removes leavers. The first that speaks
 * against a row is its reason.
 */
import { concerns, isCommunication } from '../../project/communication.ts'
import type { Policies } from '../../project/policies.ts'
import type { Sync } from '../../project/project.ts'
import type { Dialect } from '../../warehouse/dialect.ts'
import { type Fragment, join, raw, sql } from '../../warehouse/sql.ts'
import { erasedReason } from './erased.ts'
import { type OptOuts, type PolicyRelations, withEntity } from './relations.ts'
import type { Subject } from './subject.ts'

export interface EligibilityParams {
  readonly sync: Sync
  readonly policies: Policies
  readonly relations: PolicyRelations
  readonly subject: Subject
  readonly stage: Fragment
  /** The canonical key of a row. */
  readonly key: Fragment
  /** Whether some keys are missing or there more than once, as those in quarantine may be. */
  readonly keysRepeat: boolean
  /** Kind under which opt-outs know the person's own key. */
  readonly personKind: string
}

/** One reason to leave a row out, as a condition over `p` (`key`, `person`, `entity`, one column per identifier, one hash per kind of opt-out). */
export interface Reason {
  readonly reason: Fragment
  readonly condition: Fragment
}

/** Whether anything of this could leave a row out. */
export function hasEligibility({
  sync,
  policies,
  relations,
}: Pick<EligibilityParams, 'sync' | 'policies' | 'relations'>): boolean {
  return (
    policies.consent !== undefined ||
    relations.erased !== undefined ||
    policies.suppression.some(({ appliesTo }) => concerns(appliesTo, sync)) ||
    relations.optOuts.length > 0 ||
    sync.rollout !== undefined ||
    sync.qaAudience !== undefined
  )
}

/** `key` and `reason` of every row of the model that may not take part. */
export function selectIneligible(dialect: Dialect, params: EligibilityParams): Fragment {
  const { relations, subject, stage, key, keysRepeat } = params
  const reasons = [
    ...erasedReasons(params),
    ...suppressionReasons(params),
    ...optOutReasons(dialect, params),
    ...consentReasons(params),
    ...rolloutReasons(dialect, params),
    ...qaReasons(params),
  ]
  const own = withEntity(relations, sql`tonight r`, raw('r.person'))
  const identifiers = subject.identifiers.map(
    ({ expression }, index) => sql`, ${raw(expression)} as id_${raw(String(index))}`,
  )
  const cases = reasons.map(({ condition, reason }) => sql`when ${condition} then ${reason}`)
  const first = cases.length === 0 ? raw(dialect.castTo('null', 'string')) : sql`case ${join(cases, '\n    ')} end`
  return sql`with tonight as (
  select ${key} as key, ${raw(subject.person)} as person${join(identifiers, '')} from ${stage}
), p as (
  select r.*, ${own.entity} as entity${ownHashes(dialect, params)} from ${own.from}
)
select key, ${keysRepeat ? raw('min(reason) as reason') : raw('reason')} from (
  select p.key, ${first} as reason
  from p
) judged where reason is not null${keysRepeat ? raw(` and key <> '' group by 1`) : raw('')}`
}

/** Before all others: whoever was erased is written down under no reason. */
function erasedReasons({ relations: { erased } }: EligibilityParams): readonly Reason[] {
  if (erased === undefined) return []
  const condition = sql`(p.person in (select key from ${erased}) or p.entity in (select entity from ${erased}))`
  return [{ reason: sql`${erasedReason}`, condition }]
}

function suppressionReasons({ sync, relations, subject }: EligibilityParams): readonly Reason[] {
  return relations.suppressed
    .filter(({ list }) => concerns(list.appliesTo, sync))
    .map(({ list, people, values }) => {
      const column = subject.identifiers.findIndex(({ name }) => name === list.identifier)
      const byPerson = sql`p.entity in (select entity from ${people})`
      const byValue =
        values === undefined || column < 0
          ? undefined
          : sql`p.id_${raw(String(column))} in (select value from ${values})`
      return {
        reason: sql`${`suppression.${list.reason}`}`,
        condition: byValue === undefined ? byPerson : sql`(${byPerson} or ${byValue})`,
      }
    })
}

/** The hash under which the ledger keeps an opt-out: of the kind of identifier and its normalised value. */
export function optOutHash(dialect: Dialect, kind: string, value: string): string {
  return dialect.sha256(`(${dialect.literal(`${kind}:`)} || ${value})`)
}

/** Hashing every row takes longer than all else here: it is done only for kinds of identifier that somebody opted out by. */
function optOutReasons(dialect: Dialect, params: EligibilityParams): readonly Reason[] {
  return params.relations.optOuts.flatMap(optOuts => {
    const conditions = [...ownOptOut(params, optOuts), ...optOutOfOthers(dialect, params, optOuts)]
    if (conditions.length === 0) return []
    return [{ reason: sql`${`suppression.${optOuts.reason}`}`, condition: sql`(${join(conditions, ' or ')})` }]
  })
}

function ownOptOut(params: EligibilityParams, { kind, hashes }: OptOuts): readonly Fragment[] {
  const index = hashedKinds(params).findIndex(hashed => hashed.kind === kind)
  return index < 0 ? [] : [sql`p.hash_${raw(String(index))} in (select listed.hash from ${hashes} listed)`]
}

/** Kinds that somebody opted out by and a row may carry, with the column of `r` that holds them. */
function hashedKinds({ relations, subject, personKind }: EligibilityParams) {
  const carried = [
    { kind: personKind, column: 'r.person' },
    ...subject.identifiers.map(({ name }, index) => ({ kind: name, column: `r.id_${index}` })),
  ]
  const named = new Set(relations.optOuts.map(({ kind }) => kind))
  return carried.filter(({ kind }) => named.has(kind))
}

/** Once for each kind, however many reasons there are. */
function ownHashes(dialect: Dialect, params: EligibilityParams): Fragment {
  const hashes = hashedKinds(params).map(
    ({ kind, column }, index) => sql`, ${raw(optOutHash(dialect, kind, column))} as hash_${raw(String(index))}`,
  )
  return join(hashes, '')
}

/** People whose opt-out came in under another of their records or identifiers. */
export function optOutOfOthers(
  dialect: Dialect,
  { relations: { members, identifiers }, personKind }: Pick<EligibilityParams, 'relations' | 'personKind'>,
  { kind, hashes }: OptOuts,
): readonly Fragment[] {
  if (kind === personKind)
    return members === undefined
      ? []
      : [
          sql`p.entity in (select entity from ${members} where ${raw(optOutHash(dialect, kind, 'key'))} in (select listed.hash from ${hashes} listed))`,
        ]
  if (identifiers === undefined) return []
  const owned = sql`type = ${kind} and ${raw(optOutHash(dialect, kind, 'value'))} in (select listed.hash from ${hashes} listed)`
  return [sql`p.entity in (select entity from ${identifiers} where ${owned})`]
}

export function consentReasons({
  sync,
  policies,
  relations,
}: Pick<EligibilityParams, 'sync' | 'policies' | 'relations'>): readonly Reason[] {
  const { consent } = policies
  const { answers, denied } = relations
  if (consent === undefined || answers === undefined || denied === undefined) return []
  const speaks = isCommunication(sync)
  const fallback = speaks ? consent.default.communications : consent.default.data
  const no: Reason = { reason: sql`${'consent.denied'}`, condition: sql`p.entity in (select entity from ${denied})` }
  if (fallback === 'allow') return [no]
  const silent = sql`p.entity not in (select entity from ${answers} where entity is not null)`
  return [no, { reason: sql`${'consent.missing'}`, condition: silent }]
}

/** The salt is the sync's own, so that no two programmes try themselves out on the same people. */
export function rolloutSalt(sync: Pick<Sync, 'name'>): string {
  return `rollout-${sync.name}`
}

function rolloutReasons(dialect: Dialect, { sync }: EligibilityParams): readonly Reason[] {
  if (sync.rollout === undefined) return []
  const u = dialect.unitInterval(dialect.literal(rolloutSalt(sync)), 'p.entity')
  const condition = raw(`${u} >= ${dialect.literal(sync.rollout)}`)
  return [{ reason: sql`${'rollout.outside'}`, condition }]
}

function qaReasons({ relations }: EligibilityParams): readonly Reason[] {
  if (relations.qa === undefined) return []
  return [{ reason: sql`${'qa.outside'}`, condition: sql`p.entity not in (select entity from ${relations.qa})` }]
}

/** One row per reason: `reason`, `n`, without rows that are in quarantine. */
export function countIneligible(dialect: Dialect, ineligible: Fragment, quarantine: Fragment | undefined): Fragment {
  const counted = quarantine === undefined ? raw('') : sql` where ${dialect.absentFrom(raw('key'), quarantine, 'key')}`
  return sql`select reason, count(*) as n from ${ineligible}${counted} group by 1 order by 1`
}

/** Keys that were in the model when last seen, and outside of the rollout or the QA audience. */
export function ineligibleBefore(ineligible: Fragment, sync: string): Fragment {
  return sql`select distinct key from ${ineligible} where sync = ${sync} and until is null and reason in ('rollout.outside', 'qa.outside')`
}

/** Closes what no longer holds and opens what is new: two statements; repeating them changes nothing. */
export function rememberIneligible(
  params: { readonly sync: string; readonly runId: string; readonly at: Fragment; readonly known: Fragment },
  tonight: Fragment | undefined,
): readonly Fragment[] {
  const { sync, runId, at, known } = params
  const named = sql`(select key, reason from ${tonight ?? known} where reason <> ${erasedReason})`
  const current = tonight === undefined ? sql`(select key, reason from ${known} where 1 = 0)` : named
  return [
    sql`update ${known} as known set until = ${at} where known.sync = ${sync} and known.until is null
and not exists (select 1 from ${current} tonight where tonight.key = known.key and tonight.reason = known.reason)`,
    sql`insert into ${known} (sync, key, reason, since, until, run_id)
select ${sync}, tonight.key, tonight.reason, ${at}, null, ${runId} from ${current} tonight
where not exists (select 1 from ${known} open where open.sync = ${sync} and open.until is null and open.key = tonight.key and open.reason = tonight.reason)`,
  ]
}
