/** A sync: which model goes to which action of which destination, how, when and within which limits. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { columnTypes, modes } from '../project.ts'
import { limit, share } from './limit.ts'
import { schedule } from './schedule.ts'
import { name, nonEmpty } from './text.ts'

const column = nonEmpty().describe('The column of the model that the value comes from.')

export const fieldSchema = z
  .union([
    nonEmpty(),
    z.strictObject({ value: z.json().describe('The same value for every record.') }),
    z.strictObject({ template: z.string().describe('Text with columns in it: "Hi {{first_name}}".') }),
    z.strictObject({
      column,
      as: z.enum(columnTypes).optional().describe('The type that the value is converted to.'),
      round: z.int().min(0).max(15).optional().describe('Digits after the decimal point.'),
      hash: z
        .enum(['sha256'])
        .optional()
        .describe('Sends the hash of the value, in lower-case hex; after `normalise`.'),
      normalise: z
        .enum(['email', 'trim', 'lower', 'e164'])
        .optional()
        .describe('How the text is tidied before it is compared, hashed or sent.'),
    }),
  ])
  .describe('A column, or { value: … }, { template: … } or { column: …, as, round, hash, normalise }.')

const trigger = z.strictObject({
  on: z.enum(['enter', 'exit', 'change']).describe('What sends: a row that appears, disappears or changes.'),
  reentry: z
    .union([z.enum(['never', 'always']), duration()])
    .describe('Whether the same key may be sent to again: never, always, or after a duration since the last one.'),
  first_run: z
    .enum(['baseline', 'send'])
    .describe('What the first run does: remember everyone and send nothing, or send to everyone.'),
})

const guard = z.strictObject({
  max_changes: limit()
    .optional()
    .describe('More changes than this hold the run: a share of the snapshot, or a number.'),
  max_leavers: limit()
    .optional()
    .describe('More leavers than this hold the run. Unless set: 20% once the snapshot has 100 rows.'),
  min_rows: z.int().min(0).default(1).describe('Fewer rows in the model than this hold the run.'),
})

const holdout = z.strictObject({
  name: name().optional().describe('What reports call it; the name of the sync unless set.'),
  share: share().describe('How many are withheld.'),
  epoch: nonEmpty().describe('A new epoch draws lots anew.'),
  salt: nonEmpty().describe('Makes the draw of this holdout its own.'),
  stratify: nonEmpty().optional().describe('A column; the share holds within each of its values.'),
  expires: nonEmpty().optional().describe('The date after which nobody is withheld any more.'),
})

export const syncSchema = z
  .strictObject({
    description: z.string().optional().describe('What the sync is for.'),
    model: nonEmpty().describe('The model whose rows are sent.'),
    destination: nonEmpty().describe('A name under `destinations` in activate.yml.'),
    action: nonEmpty().describe('What the destination does with a record.'),
    mode: z.enum(modes).describe('Which changes are sent and what happens to rows that leave.'),
    fields: z
      .record(nonEmpty(), fieldSchema)
      .optional()
      .describe('What is sent, by field: a column, a value or a template. Only what is mapped is compared.'),
    trigger: trigger.optional().describe('When a communication is sent; in `mode: trigger` only, and needed there.'),
    channel: name().optional().describe('The channel of a communication, such as email or sms.'),
    purpose: name().optional().describe('The purpose of a communication, for consent and frequency caps.'),
    schedule: schedule().optional().describe('A cron expression of five fields, in the time zone of the project.'),
    guard: guard.optional().describe('Limits beyond which a run is held until a person approves it.'),
    on_mapping_change: z
      .enum(['resend', 'keep'])
      .default('resend')
      .describe('Whether a changed field mapping sends every record again. A trigger never fires because of it.'),
    priority: z.int().optional().describe('Which sync goes first under a shared cap; higher wins.'),
    holdout: holdout.optional().describe('A share that is withheld, to measure what the sync is worth.'),
    rollout: share().optional().describe('Only this share of the keys takes part.'),
    qa_audience: nonEmpty().optional().describe('A model; only its keys take part.'),
    expires: z
      .strictObject({ column: nonEmpty().describe('The column that holds the date.') })
      .optional()
      .describe('When a row that waits becomes worthless.'),
    owners: z.array(nonEmpty()).optional().describe('Who is told and may approve.'),
    tags: z.array(nonEmpty()).optional().describe('Labels for `--select tag:…`.'),
    enabled: z.boolean().default(true).describe('A sync that is not enabled is checked and never run.'),
    require_approval: z
      .union([
        z.enum(['never', 'on_change', 'always']),
        z.strictObject({ over: z.int().min(0).describe('Plans with more changes than this need approval.') }),
      ])
      .optional()
      .describe('When a person must approve a plan before it runs.'),
    on_bad_key: z
      .enum(['fail', 'quarantine'])
      .default('fail')
      .describe('What happens when keys are null or not unique: the run fails, or these rows are set aside.'),
    on_violation: z
      .enum(['fail', 'quarantine', 'warn'])
      .optional()
      .describe('What happens when rows break a declared test.'),
    on_uncertain: z
      .enum(['park', 'resend'])
      .default('park')
      .describe(
        'Whether a request with an unknown result is sent again by an action that cannot recognise repetitions.',
      ),
    max_error_rate: share().optional().describe('The share of refused records at which a run stops early.'),
  })
  .describe('A sync of activate.')
