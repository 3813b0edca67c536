/** Identity and policies: part of the format; `unavailable.ts` lists what this version does not act on yet. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { share } from './limit.ts'
import { matching, name, nonEmpty } from './text.ts'

export const identitySchema = z.strictObject({
  entity: name().optional().describe('What a person is called, such as customer.'),
  key: nonEmpty().describe('The column that identifies a person across models.'),
  identifiers: z
    .record(
      name(),
      z.strictObject({
        normalise: z
          .enum(['email', 'trim', 'lower', 'e164'])
          .optional()
          .describe('How values are tidied before they are compared.'),
        region: nonEmpty().optional().describe('The region of phone numbers without a country code.'),
      }),
    )
    .optional()
    .describe('The kinds of identifier a person may have.'),
  links: z.array(nonEmpty()).optional().describe('Models whose rows say that two identifiers belong together.'),
  max_cluster: z
    .int()
    .min(2)
    .optional()
    .describe('A person with more identifiers than this is taken for a mistake, and left out.'),
})

const standing = () => z.enum(['allow', 'deny'])

const consent = z.strictObject({
  model: nonEmpty().describe('A model with key, channel, purpose, status and updated_at.'),
  default: z
    .strictObject({
      communications: standing().optional().describe('What holds for communications when nothing is recorded.'),
      data: standing().optional().describe('What holds for data when nothing is recorded.'),
    })
    .optional()
    .describe('What holds when nothing is recorded.'),
})

const suppression = z.strictObject({
  model: nonEmpty().optional().describe('A model that lists who is suppressed, by key.'),
  csv: nonEmpty().optional().describe('A CSV file that lists who is suppressed.'),
  column: nonEmpty().optional().describe('The column of the file.'),
  identifier: nonEmpty().optional().describe('The kind of identifier in the column; the key, unless set.'),
  reason: name().describe('Appears in plans as `suppression.<reason>`.'),
})

const cap = z.strictObject({
  name: name().describe('Appears in plans as `cap.<name>`.'),
  channel: name().optional().describe('The channel that is counted.'),
  purposes: z.array(name()).optional().describe('The purposes that are counted together.'),
  max: z.int().min(1).describe('At most so many communications to one person …'),
  per: duration().describe('… within this time.'),
})

const timeOfDay = () =>
  matching(/^([01]\d|2[0-3]):[0-5]\d$/, {
    message: 'is not a time of day',
    help: 'write "21:00", quoted',
    examples: ['21:00'],
  })

const quietHours = z.strictObject({
  channels: z.array(name()).min(1).describe('The channels that keep quiet.'),
  from: timeOfDay().describe('When quiet begins.'),
  to: timeOfDay().describe('When quiet ends.'),
  timezone: z
    .union([
      nonEmpty(),
      z.strictObject({
        column: nonEmpty().describe('The column with the time zone of the person.'),
        default: nonEmpty().optional().describe('The zone of those without one.'),
      }),
    ])
    .optional()
    .describe('A time zone, or a block with the column that holds it.'),
})

const holdout = z.strictObject({
  name: name().describe('Appears in plans as `holdout.<name>`.'),
  share: share().describe('The share of people who are withheld, such as 5%.'),
  epoch: nonEmpty().describe('A new epoch draws lots anew.'),
  salt: nonEmpty().describe('Makes the draw of this holdout its own.'),
  applies_to: z.enum(['communications', 'data', 'all']).optional().describe('Which syncs withhold.'),
  stratify: nonEmpty().optional().describe('A column; the share holds within each of its values.'),
  expires: nonEmpty().optional().describe('The date after which nobody is withheld any more.'),
})

export const policiesSchema = z.strictObject({
  consent: consent.optional().describe('Who agreed to what.'),
  suppression: z.array(suppression).optional().describe('Who is never contacted.'),
  caps: z.array(cap).optional().describe('How often one person is contacted at most.'),
  quiet_hours: quietHours.optional().describe('When nobody is contacted.'),
  holdouts: z.array(holdout).optional().describe('Shares that are withheld from many syncs at once.'),
})
