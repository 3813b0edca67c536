/** Tonight's people in figures, and what a reader of the plan has to be told of them. */
import type { Identity } from '../../project/policies.ts'
import type { Row } from '../../warehouse/warehouse.ts'
import type { Kind } from './links.ts'

export interface PeopleSummary {
  /** People among the keys that links name. */
  readonly people: number
  /** Distinct keys that links name. */
  readonly records: number
  /** Distinct identifiers that links name; a hash whose plain value is known is no other. */
  readonly identifiers: number
  /** Share of the identifiers that lead to a person, 0 to 1; undefined without identifiers. */
  readonly matchRate: number | undefined
  /** People of more than one key. */
  readonly clusters: number
  /** Since people were last remembered. */
  readonly created: number
  readonly merges: number
  readonly splits: number
  /** Identifiers with more keys than `max_cluster`: they link nobody. */
  readonly shared: number
  /** Clusters of more keys than `max_cluster`, and how many keys these are: each stays a person of its own. */
  readonly oversized: number
  readonly oversizedKeys: number
  readonly links: LinkSummary
  /** Rounds until nothing was left to link. */
  readonly rounds: number
}

export interface LinkSummary {
  readonly rows: number
  /** One side is NULL, blank, or nothing after its normalisation. */
  readonly blank: number
  /** Below `min_confidence`. */
  readonly unsure: number
  /** Seen after the run's clock. */
  readonly later: number
}

/** What the statements counted, each one row, and the events as `event`, `occurrences`. */
export interface PeopleCounts {
  readonly links: readonly Row[]
  readonly nodes: { readonly keys: number; readonly ids: number }
  readonly persons: Row
  readonly identifiers: Row
  readonly shared: Row
  readonly events: readonly Row[]
  readonly rounds: number
}

export function summarise({ links, nodes, persons, identifiers, shared, events, rounds }: PeopleCounts): PeopleSummary {
  const sum = (column: string) => links.reduce((total, row) => total + Number(row[column]), 0)
  const happened = (event: string) => Number(events.find(row => row.event === event)?.occurrences ?? 0)
  const known = nodes.ids - nodes.keys
  return {
    // A key whose links were all left out is a person too.
    people: nodes.keys - Number(persons.linked) + Number(persons.people),
    records: nodes.keys,
    identifiers: known,
    matchRate: known === 0 ? undefined : Number(identifiers.resolved) / known,
    clusters: Number(persons.clusters),
    created: happened('created'),
    merges: happened('merged'),
    splits: happened('split'),
    shared: Number(shared.identifiers),
    oversized: Number(persons.oversized),
    oversizedKeys: Number(persons.oversized_keys),
    links: { rows: sum('row_count'), blank: sum('blank'), unsure: sum('unsure'), later: sum('later') },
    rounds,
  }
}

/** `mostShared` has `kind` and `keys` of the most shared identifiers; their values are personal data, and stay where they are. */
export function warningsOf(
  summary: PeopleSummary,
  { entity, maxCluster }: Identity,
  kinds: readonly Kind[],
  mostShared: readonly Row[],
): readonly string[] {
  const { shared, oversized, oversizedKeys } = summary
  const most = mostShared.map(({ kind, keys }) => `${kinds[Number(kind)]?.name} of ${keys}`).join(', ')
  const warnings = [
    shared > 0 &&
      `${shared} identifier${shared === 1 ? ' that is' : 's that are'} shared by more than ${maxCluster} keys of ${entity} link${shared === 1 ? 's' : ''} nobody: ${most}${shared > mostShared.length ? ', …' : ''}`,
    oversized > 0 &&
      `${oversized} cluster${oversized === 1 ? '' : 's'} of more than ${maxCluster} keys ${oversized === 1 ? 'is' : 'are'} not merged: ${oversizedKeys} keys stay apart, each as a ${entity} of its own`,
  ]
  return warnings.filter(warning => warning !== false)
}
