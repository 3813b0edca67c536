/**
 * What is remembered of people between nights. Everything else in the state is recorded by a person's own key; who is one
 * person is only ever joined to it (decision 9), so these two tables are all that a merge or a split writes.
 */
import type { Dialect, StateType } from '../../warehouse/dialect.ts'
import { type Fragment, raw } from '../../warehouse/sql.ts'

export const identityTables = {
  /** Every key and identifier with a link, and whose it is. An identifier of people who stay apart has a row for each. */
  identities: {
    /** The name of the key or of the identifier. */
    type: 'text',
    value: 'text',
    entity: 'text',
    /** The run's logical clock when it became theirs. */
    since: 'timestamp',
  },
  /** `created`: `entity` has become one of several keys. `merged`: `other` is now `entity`. `split`: a part of `entity` is now `other`. */
  identity_history: {
    /** The run's logical clock. */
    as_of: 'timestamp',
    run_id: 'text',
    event: 'text',
    entity: 'text',
    other: 'text',
  },
} as const satisfies Record<string, Readonly<Record<string, StateType>>>

export type IdentityTable = keyof typeof identityTables

export function identityRelation(dialect: Dialect, state: readonly string[], table: IdentityTable): Fragment {
  return raw(dialect.relation([...state, table]))
}
