/** Identity and policies of activate.yml, and what a sync shares with them. */
import { z } from 'zod'
import { duration } from '../duration.ts'
import { normalisations } from '../normalisation.ts'
import { isRegion, knownRegions } from '../phone-regions.ts'
import { suggestion } from '../suggest.ts'
import { share } from './limit.ts'
import { isTimezone, knownTimezones, matching, name, nonEmpty, readable } from './text.ts'

export const normalise = () =>
  z
    .enum(normalisations)
    .describe(
      'Tidies the text before it is compared, hashed or sent. `trim`: without space around it; `lower`, `email`: that, in lower case; `gmail`: also without dots and +tags where Gmail ignores them; `e164`: a phone number as +447700900123.',
    )

export const region = () =>
  readable(text => (isRegion(text) ? text : undefined), {
    code: 'A1130',
    message: 'is not a region whose phone numbers are known',
    examples: ['GB'],
    help: text => (text === 'UK' ? 'the United Kingdom is GB' : suggestion(text, knownRegions(), 'regions')),
  }).describe('The region of phone numbers without a country code, such as GB; for `normalise: e164`.')

export const timezone = () =>
  readable(zone => (isTimezone(zone) ? zone : undefined), {
    code: 'A1115',
    message: 'is not a time zone',
    examples: ['Europe/London', 'UTC'],
    help: zone => suggestion(zone, knownTimezones(), 'IANA names such as'),
  })

export const identitySchema = z.strictObject({
  entity: name().default('person').describe('What a person is called, such as customer.'),
  key: nonEmpty().describe('The column that identifies a person across models.'),
  identifiers: z
    .record(
      name(),
      z.strictObject({
        normalise: normalise().optional(),
        region: region().optional(),
        hash_of: name()
          .optional()
          .describe('The identifier whose SHA-256 (lower-case hex, taken after `normalise`) these values are.'),
      }),
    )
    .default({})
    .describe('The kinds of identifier a person may have, such as email or phone.'),
  links: z
    .array(nonEmpty())
    .default([])
    .describe(
      'Models whose rows say that two identifiers belong together: left_type, left_value, right_type, right_value, and optionally source, confidence, seen_at.',
    ),
  max_cluster: z
    .int()
    .min(2)
    .default(50)
    .describe(
      'An identifier that more people share than this, such as the phone of a shop till, links nobody; and people who would become a larger cluster stay apart.',
    ),
  min_confidence: z.number().min(0).max(1).default(0).describe('Links with a lower `confidence` are left out.'),
})

const standing = () => z.enum(['allow', 'deny'])

const consent = z.strictObject({
  model: nonEmpty().describe(
    'A model with the key of the person, channel, purpose, status (granted or denied) and updated_at; basis and evidence are carried into the record of each delivery.',
  ),
  default: z
    .strictObject({
      communications: standing().default('deny').describe('What holds for communications when nothing is recorded.'),
      data: standing().default('allow').describe('What holds for data syncs when nothing is recorded.'),
    })
    .default({ communications: 'deny', data: 'allow' })
    .describe('What holds when nothing is recorded.'),
})

const appliesTo = (fallback: 'communications' | 'all') => z.enum(['communications', 'data', 'all']).default(fallback)

const suppression = z
  .strictObject({
    model: nonEmpty().optional().describe('A model that lists who is suppressed.'),
    csv: nonEmpty().optional().describe('A CSV file that lists who is suppressed; its path, from activate.yml.'),
    column: nonEmpty().optional().describe('The column that is read; the key of the person, unless set.'),
    identifier: nonEmpty()
      .optional()
      .describe(
        'The kind of identifier in the column, one of `identity.identifiers`; the key of the person, unless set.',
      ),
    applies_to: appliesTo('all').describe('Which syncs leave them out: communications, data or all.'),
    reason: name().describe('Appears in plans as `suppression.<reason>`.'),
  })
  .superRefine(({ model, csv }, context) => {
    if ((model === undefined) !== (csv === undefined)) return
    const message =
      model === undefined ? 'a suppression list names no data' : 'a suppression list names both model and csv'
    context.addIssue({ code: 'custom', message, params: { help: 'give exactly one of model and csv' } })
  })

const cap = z.strictObject({
  name: name().describe('Appears in plans as `cap.<name>`.'),
  channel: name().optional().describe('The channel that is counted; every channel unless set.'),
  purposes: z
    .array(name())
    .min(1)
    .optional()
    .describe('The purposes that are counted together; every purpose unless set.'),
  max: z
    .int()
    .refine(max => max >= 1, {
      message: 'a cap below 1 would let nothing through',
      params: { help: 'remove the cap, or pause the syncs with `activate hold`' },
    })
    .describe('At most so many communications to one person …'),
  per: duration().describe('… within any stretch of this time.'),
})

/** Minutes since midnight of `21:00`. */
export const timeOfDay = () =>
  readable(
    text => {
      const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
      return match === null ? undefined : Number(match[1]) * 60 + Number(match[2])
    },
    {
      code: 'A1104',
      pattern: '^([01]\\d|2[0-3]):[0-5]\\d$',
      message: 'is not a time of day',
      help: 'write "21:00", quoted',
      examples: ['21:00'],
    },
  )

export const zoneOf = () =>
  z
    .union([
      timezone(),
      z.strictObject({
        column: nonEmpty().describe('The column of the model with the time zone of the person.'),
        default: timezone()
          .optional()
          .describe('The zone of those without one, or with one that is no zone; that of the project unless set.'),
      }),
    ])
    .describe('A time zone, or a block with the column that holds it; that of the project unless set.')

const quietHours = z.strictObject({
  channels: z.array(name()).min(1).describe('The channels that keep quiet.'),
  from: timeOfDay().describe('When quiet begins, on the clock of the person.'),
  to: timeOfDay().describe('When quiet ends.'),
  timezone: zoneOf().optional(),
})

/** Salts become part of a hashed text before a colon, so they hold none. */
const salt = () =>
  matching(/^[A-Za-z0-9_-]+$/, {
    message: 'cannot be used as a salt',
    help: 'use letters, digits, _ and -',
    examples: ['acme-global-2026H1'],
  }).describe('Makes the draw of this holdout its own; changes only together with the epoch.')

const date = () =>
  matching(/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, {
    message: 'is not a date',
    help: 'write it as 2026-07-01',
    examples: ['2026-07-01'],
  })

/** What holdouts of the project and of a sync have in common. */
export const holdoutKeys = {
  share: share(),
  epoch: nonEmpty().describe('A new epoch draws lots anew.'),
  salt: salt(),
  stratify: nonEmpty()
    .optional()
    .describe('A column; its value is recorded with each exposure, so that reports can compare like with like.'),
  expires: date().optional().describe('The date from which nobody is withheld any more.'),
}

const holdout = z.strictObject({
  name: name().describe('Appears in plans as `holdout.<name>`.'),
  ...holdoutKeys,
  share: holdoutKeys.share.describe('The share of people who are withheld, such as 5%.'),
  applies_to: appliesTo('communications').describe('Which syncs withhold: communications, data or all.'),
})

export const policiesSchema = z.strictObject({
  consent: consent.optional().describe('Who agreed to what.'),
  suppression: z.array(suppression).default([]).describe('Who is left out of every sync.'),
  caps: z.array(cap).default([]).describe('How often one person is contacted at most, over all syncs.'),
  quiet_hours: quietHours.optional().describe('When nobody is contacted.'),
  holdouts: z.array(holdout).default([]).describe('Shares that are withheld from many syncs at once.'),
})
