/** Taking a person out of texts and plans that name others too. Pure. */

/** What stands where a person stood. */
export const erasedMark = '[erased]'

/** Shorter values are words and numbers of any text, such as `HTTP 500`; taking them out would make every message unreadable. */
const isLong = (value: string) => value.length >= (/^\d+$/.test(value) ? 5 : 3)

/** A word, a date, a code: `at-risk`, `2026-03-01`. Many people have it, so it tells nobody. */
const common = /^[a-z0-9_.:/-]*$/

/** Whether a value of a row is likely to be this person's alone: an address, a number to call, a name of two words, a text. */
export function isTelling(value: string): boolean {
  if (value.length < 6) return false
  const digits = value.replaceAll(/\D/g, '').length
  return digits >= 9 ? !/^\d{4}-\d{2}-\d{2}/.test(value) : !common.test(value)
}

/** Texts within a JSON value, at any depth. */
export function textsWithin(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsWithin)
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsWithin)
  return []
}

/** Replaces these values where they stand by themselves: not `C42` within `C421`. Longer ones first. */
export function redactorOf(values: readonly string[]): (text: string) => string {
  const forms = new Set(values.filter(isLong).flatMap(value => [value, JSON.stringify(value).slice(1, -1)]))
  if (forms.size === 0) return text => text
  const longestFirst = [...forms].sort((left, right) => right.length - left.length)
  const any = longestFirst.map(form => form.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|')
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${any})(?![\\p{L}\\p{N}])`, 'gu')
  return text => text.replaceAll(pattern, erasedMark)
}

/**
 * A plan as JSON without the samples of these rows, and with every text in it redacted. The same text when the person is not
 * in it, or when it is no JSON.
 */
export function redactPlan(text: string, keys: ReadonlySet<string>, redact: (text: string) => string): string {
  const plan = parse(text)
  if (plan === undefined) return redact(text)
  const bare = redactWithin(plan, keys, redact)
  return bare === plan ? text : JSON.stringify(bare)
}

/** A document of `dry-run --save` in the same way, laid out as it was. */
export function redactPlanDocument(text: string, keys: ReadonlySet<string>, redact: (text: string) => string): string {
  const document = parse(text)
  if (document === undefined) return redact(text)
  const bare = redactWithin(document, keys, redact)
  return bare === document ? text : `${JSON.stringify(bare, null, 2)}\n`
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // what it says is redacted as it stands
  }
}

/** The same value when there is nothing to take out. Only texts are touched: a number that is somebody's key counts rows, too. */
function redactWithin(value: unknown, keys: ReadonlySet<string>, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const left = value.filter(item => !keys.has(keyOf(item))).map(item => redactWithin(item, keys, redact))
    return left.length === value.length && left.every((item, index) => item === value[index]) ? value : left
  }
  const entries = Object.entries(value).map(([name, inner]) => [name, redactWithin(inner, keys, redact)] as const)
  return entries.every(([name, inner]) => inner === (value as Record<string, unknown>)[name])
    ? value
    : Object.fromEntries(entries)
}

/** Samples are known by the key of their row. */
function keyOf(item: unknown): string {
  return typeof item === 'object' && item !== null && 'key' in item ? String(item.key) : ''
}
