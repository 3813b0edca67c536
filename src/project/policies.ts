/**
 * Identity and policies as the rest of the tool sees them: who is one person, who agreed to what, how often and when one
 * person may be contacted, and who is withheld so that the effect can be measured. Plain data; shares are fractions of
 * one, durations milliseconds, times of day minutes since midnight.
 */
import type { Normalisation } from './normalisation.ts'
import type { Place } from './problem.ts'

/** A kind of identifier that a person may have several of. */
export interface Identifier {
  readonly name: string
  /** `trim` unless the file says otherwise, `lower` for hashes. */
  readonly normalise: Normalisation
  /** ISO 3166 code of the region of phone numbers without a country code. */
  readonly region?: string
  /** Its values are the SHA-256 (lower-case hex) of this identifier's normalised values. */
  readonly hashOf?: string
  readonly place: Place
}

export interface Identity {
  /** What a person is called, such as `customer`. */
  readonly entity: string
  /** The column that holds a person's own key, in every model that is about people. */
  readonly key: string
  readonly identifiers: readonly Identifier[]
  /** Models with `left_type`, `left_value`, `right_type`, `right_value`, and optionally `source`, `confidence`, `seen_at`. */
  readonly links: readonly { readonly model: string; readonly place: Place }[]
  /** An identifier shared by more people than this links nobody; nor does a cluster that is larger. */
  readonly maxCluster: number
  /** Links below this confidence (0 to 1) are left out; a link without one counts as 1. */
  readonly minConfidence: number
  readonly place: Place
}

export type Verdict = 'allow' | 'deny'

export interface ConsentPolicy {
  readonly model: string
  /** What holds when nothing is recorded. */
  readonly default: { readonly communications: Verdict; readonly data: Verdict }
  readonly place: Place
}

/** Which syncs a policy concerns: those that speak to people (communication.ts), the others, or both. */
export type AppliesTo = 'communications' | 'data' | 'all'

export interface SuppressionList {
  /** A model by name, or a file by its absolute path. */
  readonly from: { readonly model: string } | { readonly csv: string }
  /** The column that is read; undefined takes the person's key. */
  readonly column?: string
  /** The kind of identifier in the column; undefined means the person's key. */
  readonly identifier?: string
  readonly appliesTo: AppliesTo
  /** `suppression.<reason>`. */
  readonly reason: string
  readonly place: Place
}

export interface Cap {
  /** `cap.<name>`. */
  readonly name: string
  /** Undefined counts every channel together. */
  readonly channel?: string
  /** Undefined counts every purpose together. */
  readonly purposes?: readonly string[]
  readonly max: number
  readonly per: number
  readonly place: Place
}

/** Minutes since midnight; `from` later than `to` spans midnight. */
export interface Daytime {
  readonly from: number
  readonly to: number
}

/** Whose clock counts: the zone in a column of the model, or one zone for everyone. */
export interface ZoneOf {
  readonly column?: string
  /** For everyone without a column, and for those whose column is blank or no time zone. */
  readonly default: string
}

export interface QuietHours extends Daytime {
  readonly channels: readonly string[]
  readonly timezone: ZoneOf
  readonly place: Place
}

/** When a sync may send: within these hours on these days (1 is Monday, 7 is Sunday) of the person's own clock. */
export interface SendWindow extends Daytime {
  readonly days: readonly number[]
  readonly timezone: ZoneOf
}

export interface Holdout {
  /** `holdout.<name>`. */
  readonly name: string
  readonly share: number
  readonly epoch: string
  readonly salt: string
  readonly appliesTo: AppliesTo
  /** A column whose value is recorded with each exposure. */
  readonly stratify?: string
  /** The local date (`2026-07-01`) from which nobody is withheld any more. */
  readonly expires?: string
  readonly place: Place
}

export interface Policies {
  readonly consent?: ConsentPolicy
  readonly suppression: readonly SuppressionList[]
  readonly caps: readonly Cap[]
  readonly quietHours?: QuietHours
  /** In their order: who is withheld by one is not asked about by the next. */
  readonly holdouts: readonly Holdout[]
}

/** Who answers for the files below a path (`syncs/billing/**`). */
export interface Ownership {
  readonly path: string
  readonly owners: readonly string[]
}
