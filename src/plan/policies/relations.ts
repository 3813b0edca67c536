/**
 * What policies read in the warehouse, made ready once a night: the people, their consents, the lists of who is suppressed.
 * Every relation speaks of a person by `entity` (see identity/), which is their own key where nothing links them to another.
 */
import type { SuppressionList } from '../../project/policies.ts'
import { type Fragment, sql } from '../../warehouse/sql.ts'

export interface Suppressed {
  readonly list: SuppressionList
  /** Relation of `entity`: the people themselves. */
  readonly people: Fragment
  /** Relation of `value`, normalised: for rows that carry the identifier and whose person is not known to own it. */
  readonly values: Fragment | undefined
}

export interface OptOuts {
  readonly reason: string
  /** Name of the identifier, or of the person's key. */
  readonly kind: string
  /** Relation of `hash`, or a select of it in parentheses; without a name. */
  readonly hashes: Fragment
}

export interface PolicyRelations {
  /** Relation of `key`, `entity`: people whose records were found to be one. Undefined when nobody's were. */
  readonly members: Fragment | undefined
  /** Relation of `type`, `value`, `entity`. */
  readonly identifiers: Fragment | undefined
  /** Relation, or select in parentheses, of `selectAnswers`: the answers for the channel and purpose of the sync. */
  readonly answers: Fragment | undefined
  /** Relation of `entity`: those whose newest answer is no. */
  readonly denied: Fragment | undefined
  readonly suppressed: readonly Suppressed[]
  /** Relation of `key`, `entity`: people who were erased, as far as tonight's rows and links have them. */
  readonly erased: Fragment | undefined
  /** Live opt-outs for the channel of the sync, a list for each reason and kind of identifier, by reason. */
  readonly optOuts: readonly OptOuts[]
  /** Relation of `entity`: who may take part while the sync is being tried out. */
  readonly qa: Fragment | undefined
  /** Scratch relation in the shape of `reservations`: what earlier plans of this invocation will send. */
  readonly tonight: Fragment | undefined
}

export const noPolicies: PolicyRelations = {
  ...{ members: undefined, identifiers: undefined, answers: undefined, denied: undefined, erased: undefined },
  ...{ suppressed: [], optOuts: [], qa: undefined, tonight: undefined },
}

/** A select with its person replaced by their entity: `person` is an expression over `from`. */
export function withEntity(
  { members }: Pick<PolicyRelations, 'members'>,
  from: Fragment,
  person: Fragment,
): { readonly entity: Fragment; readonly from: Fragment } {
  if (members === undefined) return { entity: person, from }
  return {
    entity: sql`coalesce(own.entity, ${person})`,
    from: sql`${from} left join ${members} own on own.key = ${person}`,
  }
}
