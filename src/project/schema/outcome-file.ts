/** An outcome: by which events, in which window after their first trigger, people are measured. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { outcomeRoles } from '../outcomes.ts'
import { share } from './limit.ts'
import { name, nonEmpty } from './text.ts'

const roles = () => z.record(name(), z.enum(outcomeRoles)).default({})

export const outcomeSchema = z
  .strictObject({
    description: z.string().optional().describe('What it means, for the reader of a report.'),
    model: nonEmpty().describe(
      'A model with one row per event. With a key, rows of the same key count once; without, rows that are equal in person, time and value do.',
    ),
    unit: nonEmpty()
      .optional()
      .describe('The column with the key of the person; `identity.key`, or the only column of the key, unless set.'),
    at: nonEmpty().describe(
      'The timestamp or date column that says when it happened. Rows without a time do not count.',
    ),
    value: nonEmpty()
      .optional()
      .describe(
        'The numeric column that is summed for each person, such as an amount; may be negative. Rows whose value is null, infinite or no number do not count. Unless set, a person has the outcome or not.',
      ),
    per: z
      .union([
        z.literal('event'),
        z.strictObject({ sum: nonEmpty().describe('The numeric column whose sum is the divisor, such as mails.') }),
      ])
      .optional()
      .describe(
        'Makes it a quotient: the sum of `value` over `event` (how many events there were, such as revenue per order) or over the sum of another numeric column (`{ sum: mails }`, such as opens per mail), of all people of an arm together. Rows whose divisor is null, negative or no number do not count. Not with `cap` or `covariate`.',
      ),
    window: duration().describe(
      'How long after a person’s first trigger events count, such as 45d. People whose window is still open are not counted at all.',
    ),
    direction: z.enum(['up', 'down']).default('up').describe('Which way is good: `up` for revenue, `down` for churn.'),
    cap: z
      .number()
      .positive()
      .optional()
      .describe(
        'A person’s sum above this counts as this, so that one enormous order decides nothing. Fixed before the data, for example at the 99th percentile of last year.',
      ),
    covariate: z
      .strictObject({
        before: duration().describe('How long before the first trigger the same is summed, such as 90d.'),
      })
      .optional()
      .describe('What people did before takes noise out of what they did after (CUPED): intervals get narrower.'),
    planned_units: z
      .int()
      .min(1)
      .default(10_000)
      .describe(
        'How many people, of both arms, the test is expected to need: while it runs, its interval is narrowest there. Any number is valid, if it is fixed before the data.',
      ),
    least_lift: share()
      .optional()
      .describe(
        'The smallest relative lift that would change what you do, such as 5% (10% unless set): `activate dry-run` says how long it takes to tell it from chance.',
      ),
    syncs: roles().describe('What it is to which sync: `primary` (one for each sync), `guardrail` or `secondary`.'),
    holdouts: roles().describe('The same for holdouts of activate.yml, over all syncs that they withhold from.'),
  })
  .describe('An outcome of activate.')
