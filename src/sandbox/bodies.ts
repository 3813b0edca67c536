/** What the sandbox accepts: shapes of whole requests, and the checks of single records and messages. Pure. */
import { z } from 'zod'

export const maxRecords = 100
export const maxBodyBytes = 1_000_000

const changeId = z.string().max(255).optional()
const properties = z.record(z.string(), z.unknown())
const batch = <Schema extends z.ZodType>(record: Schema) => z.object({ records: z.array(record).min(1) })

export const upsertBody = batch(z.object({ id: z.string(), change_id: changeId, properties }))
export const removeBody = batch(
  z.object({ id: z.string(), change_id: changeId, properties: z.array(z.string()).optional() }),
)
export const membersBody = batch(z.object({ list: z.string(), id: z.string(), change_id: changeId }))

export const tasksBody = batch(
  z.object({
    id: z.string(),
    change_id: z.string().min(1).max(255),
    title: z.string(),
    owner: z.string().nullish(),
    due_on: z.string().nullish(),
    note: z.string().nullish(),
  }),
)

export const emailBody = z.object({
  to: z.string(),
  subject: z.string(),
  body: z.string().optional(),
  template: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
  reference: z.string().optional(),
})
export const smsBody = z.object({ to: z.string(), text: z.string(), reference: z.string().optional() })

export type ContactRecord = z.output<typeof upsertBody>['records'][number]
export type RemoveRecord = z.output<typeof removeBody>['records'][number]
export type MemberRecord = z.output<typeof membersBody>['records'][number]
export type TaskRecord = z.output<typeof tasksBody>['records'][number]
export type Email = z.output<typeof emailBody>
export type Sms = z.output<typeof smsBody>

export interface Complaint {
  readonly code: string
  readonly message: string
}

/** A value as the CRM stores it. */
export type PropertyValue = string | number | boolean

const email = /^[^\s@<>"(),:;]{1,64}@[^\s@.<>"(),:;]+(\.[^\s@.<>"(),:;]+)+$/
const e164 = /^\+[1-9]\d{6,14}$/
const propertyName = /^[A-Za-z][A-Za-z0-9_]*$/
/** Mailboxes of this domain are gone for good: mail to them is refused, although the address is well formed. */
const bounced = /@bounced\.example\.org$/i

export function checkId(id: string): Complaint | undefined {
  if (id.length >= 1 && id.length <= 255) return undefined
  return { code: 'invalid_id', message: 'an id has 1 to 255 characters' }
}

export function checkList(list: string): Complaint | undefined {
  if (list.length >= 1 && list.length <= 255) return undefined
  return { code: 'invalid_list', message: "a list's name has 1 to 255 characters" }
}

const calendarDate = z.iso.date()

export function checkTask({ id, title, due_on }: TaskRecord): Complaint | undefined {
  if (title.length < 1 || title.length > 255)
    return { code: 'invalid_title', message: "a task's title has 1 to 255 characters" }
  if (due_on !== undefined && due_on !== null && !calendarDate.safeParse(due_on).success)
    return { code: 'invalid_due_on', message: `${quoted(due_on)} is not a date such as 2026-03-02` }
  return checkId(id)
}

/** The first property that the CRM does not take. */
export function checkProperties(values: Readonly<Record<string, unknown>>): Complaint | undefined {
  for (const [name, value] of Object.entries(values)) {
    if (!propertyName.test(name))
      return { code: 'invalid_property', message: `${quoted(name)} is not a property's name` }
    if (value === null) continue
    const complaint = checkValue(name, value)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

function checkValue(name: string, value: unknown): Complaint | undefined {
  if (name === 'email' && !(typeof value === 'string' && email.test(value))) {
    return { code: 'invalid_email', message: `${quoted(value)} is not an e-mail address` }
  }
  if (name === 'phone' && !(typeof value === 'string' && e164.test(value))) {
    return { code: 'invalid_phone', message: `${quoted(value)} is not an E.164 number` }
  }
  const fine =
    typeof value === 'string' ? value.length <= 10_000 : typeof value === 'number' || typeof value === 'boolean'
  return fine
    ? undefined
    : { code: 'invalid_property', message: `${name} is not a string, a finite number, a boolean or null` }
}

export function checkEmail({ to, subject }: Email): Complaint | undefined {
  if (!email.test(to)) return { code: 'invalid_recipient', message: `${quoted(to)} is not an e-mail address` }
  if (bounced.test(to))
    return { code: 'bounced_recipient', message: `the mailbox ${quoted(to)} does not exist any more` }
  if (subject.length >= 1 && subject.length <= 998) return undefined
  return { code: 'invalid_subject', message: 'a subject has 1 to 998 characters' }
}

export function checkSms({ to, text }: Sms): Complaint | undefined {
  if (!e164.test(to)) return { code: 'invalid_recipient', message: `${quoted(to)} is not an E.164 number` }
  if (text.length >= 1 && text.length <= 1_600) return undefined
  return { code: 'invalid_text', message: 'a text has 1 to 1,600 characters' }
}

function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 60 ? text : `${text.slice(0, 57)}…"`
}
