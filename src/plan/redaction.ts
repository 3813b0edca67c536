/** Taking a person out of texts and plans that name others too. Pure. */

/** What stands where a person stood. */
export const erasedMark = '[erased]'

/** Shorter values are words and numbers of any text; taking them out everywhere would make every message unreadable. */
const shortest = 4

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
  const forms = new Set(
    values.filter(value => value.length >= shortest).flatMap(value => [value, JSON.stringify(value).slice(1, -1)]),
  )
  if (forms.size === 0) return text => text
  const longestFirst = [...forms].sort((left, right) => right.length - left.length)
  const any = longestFirst.map(form => form.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|')
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${any})(?![\\p{L}\\p{N}])`, 'gu')
  return text => text.replaceAll(pattern, erasedMark)
}

/**
 * A plan as JSON without the samples of these rows, and with everything else in it redacted. The same text when the person is
 * not in it, or when it is no plan.
 */
export function redactPlan(text: string, keys: ReadonlySet<string>, redact: (text: string) => string): string {
  const plan = parse(text)
  if (plan === undefined) return redact(text)
  const bare = withoutSamples(plan, keys)
  return redact(bare === plan ? text : JSON.stringify(bare))
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined // nobody's plan; what it says is redacted as it stands
  }
}

/** The same object when there is nothing to take out. */
function withoutSamples(plan: object, keys: ReadonlySet<string>): object {
  const taken = Object.entries(plan).flatMap(([name, value]: [string, unknown]) => {
    if ((name !== 'samples' && name !== 'ineligible') || !Array.isArray(value)) return []
    const left = value.filter(sample => !keys.has(keyOf(sample)))
    return left.length === value.length ? [] : [[name, left] as const]
  })
  return taken.length === 0 ? plan : { ...plan, ...Object.fromEntries(taken) }
}

function keyOf(sample: unknown): string {
  return typeof sample === 'object' && sample !== null && 'key' in sample ? String(sample.key) : ''
}

/** A document of `dry-run --save` in the same way. */
export function redactPlanDocument(text: string, keys: ReadonlySet<string>, redact: (text: string) => string): string {
  const document = parse(text)
  if (document === undefined || !('plans' in document) || !Array.isArray(document.plans)) return redact(text)
  const plans = document.plans.map((plan: unknown) =>
    typeof plan === 'object' && plan !== null ? withoutSamples(plan, keys) : plan,
  )
  const touched = plans.some((plan, index) => plan !== (document.plans as readonly unknown[])[index])
  return redact(touched ? `${JSON.stringify({ ...document, plans }, null, 2)}\n` : text)
}
