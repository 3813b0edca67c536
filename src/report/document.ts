/** The report as a document: what `activate report --json` prints, and every rendering is made of. */
import type { Measure, OutcomeRole } from '../project/outcomes.ts'
import type { Problem } from '../project/problem.ts'
import type { AnswerEntry, LiftEntry } from './answer-entry.ts'
import type { PartEntry, Series } from './breakdown.ts'
import type { Finding } from './findings.ts'
import type { Funnel } from './funnel.ts'
import type { HealthDocument } from './health/health.ts'
import type { PowerLeft } from './power-left.ts'
import type { Boundary } from './stats/boundary.ts'
import type { Verdict } from './verdict.ts'
import type { NoveltyEntry, WorthEntry } from './worth.ts'

export interface ArmEntry {
  readonly people: number
  /** People whose value is not zero; of a quotient, those who have a part in it. */
  readonly with_outcome: number
  /** Per person; of a quotient, the quotient of the arm. */
  readonly mean: number | null
}

export interface ComparisonEntry {
  readonly arm: string
  readonly treated: ArmEntry
  readonly withheld: ArmEntry
  readonly lift: AnswerEntry<LiftEntry>
  /** The end (ISO 8601) of the first look that proved an effect for all that followed; null where none did, and of secondary outcomes. */
  readonly decided: { readonly side: 'higher' | 'lower'; readonly at: string } | null
  /** By which share a covariate narrowed the interval; null without one. */
  readonly noise_removed: number | null
  /** Adjusted over every primary comparison of the report (Holm; Benjamini and Hochberg); null for others. */
  readonly p_holm: number | null
  readonly q_value: number | null
  /** Of a primary outcome; null for others, and where nothing is known of deliveries. */
  readonly worth: WorthEntry | null
}

export interface OutcomeEntry {
  readonly outcome: string
  readonly role: OutcomeRole
  readonly direction: 'up' | 'down'
  readonly measure: Measure
  readonly window: string
  /** `sequential` may be looked at every day; `fixed` is for an experiment that is over. */
  readonly boundary: Boundary['kind']
  /** People whose window is still open, who are not counted. */
  readonly open: number
  /** Why it could not be measured, such as a source that is stale: then there are no figures. Empty when it was. */
  readonly problems: readonly Problem[]
  readonly rows: Readonly<Record<'total' | 'nobody' | 'undated' | 'unusable' | 'repeated', number>>
  /** What would make its figures better, in a sentence each. */
  readonly hints: readonly string[]
  readonly comparisons: readonly ComparisonEntry[]
  /** After each day (or week) the lift of those who were counted by then; one series for each treated arm. */
  readonly series: readonly Series[]
  /** By when people were first exposed; empty while there is one week of them. */
  readonly cohorts: readonly PartEntry[]
  /** By what the holdout stratifies by; empty when it does not. */
  readonly segments: readonly PartEntry[]
  /** Of a primary outcome. */
  readonly power: PowerLeft | null
  readonly novelty: NoveltyEntry | null
}

export interface ExperimentEntry {
  /** Null for everything that the holdout withholds. */
  readonly sync: string | null
  readonly holdout: string
  readonly epoch: string
  readonly share: number
  readonly shared: boolean
  readonly status: 'running' | 'ended'
  readonly arms: readonly { readonly arm: string; readonly people: number; readonly delivered: number | null }[]
  readonly first_at: string | null
  readonly checks: {
    readonly assignment: { readonly verdict: string; readonly people: number; readonly misassigned: number }
    readonly sample_ratio: { readonly verdict: string; readonly p_value: number | null; readonly method: string | null }
    readonly reached: number
    readonly mixed: number
    /** Texts of the findings that are alarms. */
    readonly alarms: readonly string[]
    readonly findings: readonly Finding[]
  }
  readonly funnel: Funnel | null
  readonly outcomes: readonly OutcomeEntry[]
  readonly verdicts: readonly Verdict[]
}

export interface ReportDocument {
  readonly schema: 'activate.report/1'
  readonly as_of: string
  readonly experiments: readonly ExperimentEntry[]
  /** Null where only experiments were asked for. */
  readonly health: HealthDocument | null
  /** All that kept outcomes from being measured, each once; what does not depend on it is reported nevertheless. */
  readonly problems: readonly Problem[]
}
