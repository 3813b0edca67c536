/**
 * Personal data in samples, masked: an e-mail address keeps its first letter and its domain, a phone number its last two
 * digits, a name its first letter. A value is masked when its field is named like personal data or free text, or when
 * the value itself holds an address or a number. Keys stay, so that `inspect` can be asked about them.
 */
import type { Plan, Sample } from '../../plan/plan.ts'
import type { Json } from '../../project/project.ts'

/** Words of a field's name (`billing_email`, `firstName`) that mark personal data, or text that is likely to address somebody. */
const personal = new Set(
  (
    'email mail phone mobile msisdn tel telephone fax name firstname lastname forename surname fullname initials nickname username ' +
    'address street city town postcode postal zip zipcode birthday birthdate birth dob ip ssn iban passport device ' +
    'subject body text message greeting html content title note notes comment comments to cc bcc recipient'
  ).split(' '),
)

const emailPattern = /([^\s@<>"',;:()]+)@([^\s@<>"',;:()]+\.[^\s@<>"',;:()]+)/g
const phonePattern = /\+\d[\d\s().-]{6,}\d/g

export function maskPlan(plan: Plan): Plan {
  return { ...plan, samples: plan.samples.map(maskSample) }
}

export function maskSample(sample: Sample): Sample {
  return { ...sample, before: maskFields(sample.before), after: maskFields(sample.after) }
}

type Fields = Sample['before']

export function maskFields(fields: Fields): Fields {
  if (fields === null) return null
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, maskValue(name, value)]))
}

function maskValue(name: string, value: Json): Json {
  if (typeof value === 'string') return isPersonal(name) ? maskText(value) : maskWithin(value)
  if (typeof value === 'number') return isPersonal(name) ? maskPhone(String(value)) : value
  if (value === null || typeof value === 'boolean') return value
  if (isList(value)) return value.map(item => maskValue(name, item))
  return Object.fromEntries(
    Object.entries(value).map(([inner, item]) => [inner, maskValue(isPersonal(name) ? name : inner, item)]),
  )
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isPersonal(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  return words.some(word => personal.has(word.replace(/\d+$/, '')))
}

/** A value of a field that is personal as a whole. */
function maskText(value: string): string {
  if (value === '') return value
  const masked = maskWithin(value)
  if (masked !== value) return masked
  if (looksLikePhone(value)) return maskPhone(value)
  return `${[...value][0]}***`
}

/** Addresses and numbers inside any text. */
function maskWithin(value: string): string {
  if (looksLikePhone(value)) return maskPhone(value)
  return value
    .replaceAll(emailPattern, (_, user: string, domain: string) => `${[...user][0]}***@${domain}`)
    .replaceAll(phonePattern, found => maskPhone(found))
}

function looksLikePhone(value: string): boolean {
  if (!/^\+?[\d\s().-]+$/.test(value) || /^\d{4}-\d{2}-\d{2}/.test(value) || /^-?\d+\.\d+$/.test(value)) return false
  const digits = value.replaceAll(/\D/g, '').length
  return digits <= 15 && (value.startsWith('+') ? digits >= 7 : digits >= 10)
}

function maskPhone(value: string): string {
  return `***${value.replaceAll(/\D/g, '').slice(-2)}`
}
