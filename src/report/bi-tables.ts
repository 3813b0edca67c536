/** The tables of the state that others may read, in words: what `activate schema dbt` and the guide tell of them. */
import type { stateTables } from '../plan/state.ts'
import type { resultColumns } from './results.ts'

type Described<Columns> = { readonly about: string; readonly columns: { readonly [Name in keyof Columns]: string } }

/** A column without its words does not compile. */
type BiTables = {
  readonly [Table in 'exposures' | 'deliveries' | 'decisions' | 'ineligible']: Described<(typeof stateTables)[Table]>
} & {
  readonly results: Described<typeof resultColumns>
}

export const resultsTable = 'results'

const asOf = "The run's logical clock (UTC)."
const sync = 'The sync.'
const key = 'The key of the row, as text; a composite key is a JSON array.'
const person = "The person's own key; NULL where it is the key itself."
const runId = 'The run that wrote it.'

export const biTables: BiTables = {
  results: {
    about:
      'What `activate report --write-back` found: one row for each report, experiment, outcome and treated arm. Shares and means are per person.',
    columns: {
      as_of: "The report's clock (UTC).",
      written_at: 'When it was written (UTC).',
      sync: 'The sync; NULL for everything that a shared holdout withholds.',
      holdout: 'The holdout.',
      epoch: 'The epoch of the holdout.',
      status: '`running` or `ended`.',
      outcome: 'The outcome.',
      role: '`primary`, `guardrail` or `secondary`.',
      direction: 'Which way is good: `up` or `down`.',
      measure: '`share` of people with the outcome, `mean` value of a person, or `ratio` of two sums.',
      boundary: '`sequential`: intervals that may be looked at every day; `fixed`: those of the end.',
      arm: 'The treated arm that is compared with the withheld one.',
      treated_people: 'Treated people whose window is over.',
      withheld_people: 'Withheld people whose window is over.',
      treated_mean: 'What they did, on average.',
      withheld_mean: 'What they did, on average.',
      answer:
        '`estimated`; else why there are no figures: `too_few`, `empty_arm`, `zero_variance` and others, or `unmeasured` where a source or model failed.',
      difference: 'Treated minus withheld, per person.',
      difference_lower: 'Lower end of its interval; NULL without a bound.',
      difference_upper: 'Upper end of its interval; NULL without a bound.',
      lift: 'Treated over withheld, minus 1.',
      lift_lower: 'Lower end of its interval; NULL without a bound.',
      lift_upper: 'Upper end of its interval; NULL without a bound.',
      incremental: 'The difference times the treated people; NULL of a ratio.',
      incremental_lower: 'Lower end of its interval; NULL without a bound.',
      incremental_upper: 'Upper end of its interval; NULL without a bound.',
      decided_at:
        'The end of the first look that proved an effect (UTC), which later looks do not take back; NULL where none did.',
      p_value: 'Two-sided.',
      p_holm: 'Adjusted over all primary comparisons of the report (Holm).',
      q_value: 'Adjusted over all primary comparisons of the report (Benjamini and Hochberg).',
      cost: 'Of the messages within the window; NULL where no sync says what one costs.',
      advice:
        '`keep`, `stop`, `wait`, `unclear`, `unreliable`, `unmeasured` or `nothing_to_measure`; of a primary outcome.',
      verdict: 'The same in a sentence.',
      alarms: 'How many checks say that no figure can be relied upon: leave out rows with any.',
    },
  },
  exposures: {
    about:
      'The first trigger of each record of a person in an epoch of a holdout, in both arms, as decided before anything left. Count a person once, by the earliest.',
    columns: {
      ...{ sync, key, person, run_id: runId },
      holdout: 'The holdout.',
      epoch: 'The epoch of the holdout.',
      arm: '`withheld`, or the treated arm.',
      triggered_at: asOf,
      recorded_at: 'The clock on the wall (UTC).',
      stratum: 'Value of the column that the holdout stratifies by.',
      payload: 'What would have been sent to somebody withheld, as JSON: personal data.',
      draw: 'The number by which the arm was drawn, in [0, 1); NULL for an assignment of another tool.',
      share: 'The share that was withheld at that moment.',
    },
  },
  deliveries: {
    about: 'What was acknowledged, and communications that may have arrived.',
    columns: {
      ...{ sync, key, person, run_id: runId, as_of: asOf },
      channel: 'The channel.',
      purpose: 'The purpose.',
      op: '`enter`, `change` or `leave`.',
      change_id: 'The change: the same in the destination’s records.',
      outcome: '`acked`, or `uncertain` when it may have arrived.',
      delivered_at: 'When the run was settled (UTC).',
      topic: 'What it was about beside the person.',
      address: 'SHA-256 of the normalised address.',
      communication: 'Whether it spoke to the person.',
      priority: 'Of the sync.',
      basis: 'The lawful basis of the consent.',
      evidence: 'The evidence of the consent.',
    },
  },
  decisions: {
    about: 'Every planned change with its decision and its outcome. What is put off is decided anew each night.',
    columns: {
      ...{ sync, key, person, run_id: runId, as_of: asOf },
      op: '`enter`, `change` or `leave`.',
      decision: '`send`, `withhold`, `defer`, `skip` or `blocked`.',
      reason: '`<rule>.<reason>`; NULL for what was sent.',
      change_id: 'The change.',
      outcome: '`acked`, `rejected`, `parked` or `pending` of what was to be sent.',
    },
  },
  ineligible: {
    about: 'Who was in a model and not allowed to take part, from when until when, and why.',
    columns: {
      ...{ sync, key, run_id: runId },
      reason: '`consent.<…>`, `suppression.<…>` and others.',
      since: 'From then on (UTC).',
      until: 'Until then (UTC); NULL while it holds.',
    },
  },
}
