/** A sync: which model goes to which action of which destination, how, when and within which limits. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { columnTypes, modes, onViolation } from '../project.ts'
import { limit, share } from './limit.ts'
import { holdoutKeys, normalise, region, timeOfDay, zoneOf } from './policies.ts'
import { schedule } from './schedule.ts'
import { name, nonEmpty } from './text.ts'

const column = nonEmpty().describe('The column of the model that the value comes from.')

export const fieldSchema = z
  .union([
    nonEmpty(),
    z.strictObject({
      value: z.json().describe('The same value for every record: a text, number, true, false, null, list or block.'),
    }),
    z.strictObject({
      template: z
        .string()
        .describe(
          'Text with columns in it: `Hi {{first_name}}`; `{{#if column}}…{{else}}…{{/if}}` asks whether there is a value.',
        ),
    }),
    z.strictObject({
      column,
      as: z.enum(columnTypes).optional().describe('Converts the value to this type.'),
      round: z
        .int()
        .min(0)
        .max(15)
        .optional()
        .describe('Digits after the decimal point, 0 to 15, to which the number is rounded.'),
      hash: z
        .enum(['sha256'])
        .optional()
        .describe('Sends the hash of the value in lower-case hex; taken after `normalise`.'),
      normalise: normalise().optional(),
      region: region().optional(),
    }),
  ])
  .describe('A column, or { value: … }, { template: … } or { column: …, as, round, hash, normalise, region }.')

const trigger = z.strictObject({
  on: z
    .enum(['enter', 'exit', 'change'])
    .describe('What sends: a key that appears, one that disappears, or a mapped field that changes.'),
  reentry: z
    .union([z.enum(['never', 'always']), duration()])
    .describe(
      'Whether the same key may be sent to again when it comes back: `never`, `always`, or after a duration since the last time, such as 300d.',
    ),
  first_run: z
    .enum(['baseline', 'send'])
    .describe(
      'What the first run does with everyone who is there: `baseline` remembers and sends nothing, `send` sends.',
    ),
})

const guard = z.strictObject({
  max_changes: limit()
    .optional()
    .describe(
      'More sends than this hold the run: a share of the snapshot such as 20%, or a number of rows. No limit unless set.',
    ),
  max_leavers: limit()
    .optional()
    .describe(
      'More leavers than this hold the run, in modes that act on leavers. Unless set: 20% once the snapshot has 100 rows.',
    ),
  min_rows: z
    .int()
    .min(0)
    .default(1)
    .describe('Fewer rows in the model than this hold the run; 0 allows an empty model.'),
  max_enters: limit()
    .optional()
    .describe(
      'More rows that enter than this hold the run: a share of the snapshot, or a number. No limit unless set.',
    ),
  max_shrink: share()
    .optional()
    .describe(
      'A model that has lost more than this share of its rows since the last run holds the run. No limit unless set.',
    ),
  max_first_run: z
    .int()
    .min(0)
    .optional()
    .describe(
      'More sends than this hold the first run, which has no snapshot to take a share of. No limit unless set.',
    ),
  mapping_change: z
    .enum(['pass', 'hold'])
    .default('pass')
    .describe('Whether the run after a change of the mapping, destination, action or mode is held.'),
})

const holdout = z.strictObject({
  name: name().optional().describe('What plans and reports call it; the name of the sync unless set.'),
  ...holdoutKeys,
  share: holdoutKeys.share.describe('The share of people who are withheld, such as 10%.'),
})

/** In their order: ISO 8601 counts them from 1, Monday. */
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const sendWindow = z.strictObject({
  from: timeOfDay().describe('When sending may begin, on the clock of the person.'),
  to: timeOfDay().describe('When it ends.'),
  days: z
    .array(z.enum(weekdays))
    .min(1)
    .default([...weekdays])
    .describe('The days of the week on which it may be sent.'),
  timezone: zoneOf().optional(),
})

export const syncSchema = z
  .strictObject({
    description: z.string().optional().describe('What the sync is for.'),
    model: nonEmpty().describe('The model whose rows are sent.'),
    destination: nonEmpty().describe('A name under `destinations` in activate.yml.'),
    action: nonEmpty().describe('What the destination does with a record; its page lists its actions.'),
    mode: z.enum(modes).describe('Which changes are sent, and what happens to rows that leave; see docs/concepts.md.'),
    fields: z
      .record(nonEmpty(), fieldSchema)
      .optional()
      .describe('What is sent, by the name of the field at the destination. Only what is mapped is compared.'),
    trigger: trigger.optional().describe('When a communication is sent; in `mode: trigger` only, and needed there.'),
    channel: name()
      .optional()
      .describe('The channel of a communication, such as email or sms; recorded with every delivery.'),
    purpose: name()
      .optional()
      .describe('The purpose of a communication, such as renewals; recorded with every delivery.'),
    schedule: schedule()
      .optional()
      .describe(
        'When `activate schedule` runs it: a cron expression of five fields, in the time zone of the project. Other commands ignore it.',
      ),
    guard: guard
      .optional()
      .describe('Limits beyond which a run is held: it sends nothing until somebody runs it with `--yes`.'),
    on_mapping_change: z
      .enum(['resend', 'keep'])
      .default('resend')
      .describe(
        'What a changed mapping does: `resend` sends every row whose fields differ by it, `keep` waits for the next change of the row. Neither repeats a communication.',
      ),
    priority: z
      .int()
      .default(0)
      .describe('Which sync goes first, and wins when several want the same person under a cap; higher wins.'),
    holdout: holdout.optional().describe('A share that is withheld, to measure what the sync is worth.'),
    rollout: share()
      .optional()
      .describe('Only this share of the people takes part; a larger share later holds those of a smaller one.'),
    qa_audience: nonEmpty().optional().describe('A model; only the people in it take part.'),
    send_window: sendWindow
      .optional()
      .describe('When a communication may be sent; outside of it people wait for a later run.'),
    expires: z
      .strictObject({ column: nonEmpty().describe('A date or timestamp column.') })
      .optional()
      .describe('When a row becomes worthless: after that date, or at that instant, it is skipped.'),
    cost_per_message: z
      .number()
      .min(0)
      .optional()
      .describe('What one message costs, in your currency: the report then says what an incremental outcome costs.'),
    owners: z
      .array(nonEmpty())
      .optional()
      .describe('Who answers for the sync: when there are any, only they may approve its plans.'),
    tags: z.array(nonEmpty()).optional().describe('Labels, for `--select tag:NAME`.'),
    enabled: z.boolean().default(true).describe('A sync that is not enabled is checked and never run.'),
    require_approval: z
      .union([
        z.enum(['never', 'on_change', 'always']),
        z.strictObject({ over: z.int().min(0).describe('Plans with more sends than this need approval.') }),
      ])
      .default('never')
      .describe(
        'When a person must approve a plan with `activate approve` before it runs: `on_change` of the sync, its SQL, its mapping or the policies; `always`; or over a number of sends.',
      ),
    on_bad_key: z
      .enum(['fail', 'quarantine'])
      .default('fail')
      .describe(
        'What happens when keys are null, empty or not unique: `fail` stops before planning, `quarantine` leaves all such rows out and counts them.',
      ),
    on_violation: z
      .enum(onViolation)
      .optional()
      .describe(
        'What happens to rows that break a declared test of the model, as there: `fail`, `quarantine` or `warn`; what the model says unless set.',
      ),
    on_uncertain: z
      .enum(['park', 'resend'])
      .default('park')
      .describe(
        'What happens to a request whose answer was lost, where a repetition could be a second effect: `park` blocks its keys, `resend` risks the second effect.',
      ),
    max_error_rate: share()
      .optional()
      .describe(
        'The share of refused records at which a run stops early, such as 5%; counted once 100 records were answered for. No limit unless set.',
      ),
  })
  .describe('A sync of activate.')
