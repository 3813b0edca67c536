/** What people are measured by: events of a model, in a window after a person's first trigger. Plain data. */
import type { Place } from './problem.ts'

/** `primary`: the one by which a sync or holdout is judged; `guardrail`: what must not get worse; `secondary`: for the record. */
export const outcomeRoles = ['primary', 'guardrail', 'secondary'] as const
export type OutcomeRole = (typeof outcomeRoles)[number]

export interface Outcome {
  /** The file's name without its extension; unique in the project. */
  readonly name: string
  readonly path: string
  readonly description?: string
  /** A model with one row per event. */
  readonly model: string
  /** The column with the key of the person; undefined means the key by which policies know people. */
  readonly unit?: string
  /** The column with the instant, or date, of the event. */
  readonly at: string
  /** The column that is summed per person; undefined asks only whether there was an event. */
  readonly value?: string
  /**
   * What the summed value is divided by, over all people of an arm: the number of events (revenue per order), or the sum of another column (opens per
   * mail). Undefined where it is not a quotient.
   */
  readonly per?: 'event' | { readonly sum: string }
  /** Milliseconds after the first trigger within which events count. */
  readonly window: number
  /** Which way is good. */
  readonly direction: 'up' | 'down'
  /** A person's sum above this counts as this: winsorisation, frozen before the data. In the value's unit. */
  readonly cap?: number
  /** Milliseconds before the first trigger over which the same is summed, as a covariate. */
  readonly covariate?: number
  /** Units of both arms at which the boundary of a running test is tightest. */
  readonly plannedUnits: number
  /** The smallest relative lift that would change anything, for forecasts; a fraction of one. */
  readonly leastLift?: number
  readonly syncs: Readonly<Record<string, OutcomeRole>>
  /** Of activate.yml. */
  readonly holdouts: Readonly<Record<string, OutcomeRole>>
  readonly place: Place
  readonly places: Readonly<Record<string, Place>>
}

/** `share`: a person has the outcome or not. `mean`: a value per person. `ratio`: a sum over another sum, such as revenue per order. */
export type Measure = 'share' | 'mean' | 'ratio'

export function measureOf({ value, per }: Pick<Outcome, 'value' | 'per'>): Measure {
  if (per !== undefined) return 'ratio'
  return value === undefined ? 'share' : 'mean'
}
