/**
 * What a reply's headers say of the destination's limits. Read here, each name in lower case:
 *
 * - `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): `"burst";r=50;t=30`, `"burst";q=100;w=60`;
 *   and its forms before: `limit=100, remaining=50, reset=30` (07), `RateLimit-Limit|Remaining|Reset` (03 to 06).
 * - `X-RateLimit-Limit|Remaining|Reset`, also written `X-Rate-Limit-…`, and `X-RateLimit-Reset-After` and `-Reset-Ms`.
 *
 * What a reset means is nowhere agreed: a number from 10^12 on is an instant in milliseconds, one from 10^9 on an instant in
 * seconds, anything smaller a number of seconds from now; a name that ends in `-ms` has milliseconds. A time of day is read
 * by the destination's own clock when the reply has a `Date`. What cannot be read, or lies more than a month away, says
 * nothing.
 */
import { parseHttpDate } from './retry.ts'

/** So many more requests are taken until then. */
export interface LimitReading {
  /** Tells one limit of the destination from another. */
  readonly name: string
  readonly remaining: number
  /** An instant in milliseconds, on our clock. */
  readonly until: number
}

export type ReadLimits = (headers: Readonly<Record<string, string>>, now: number) => readonly LimitReading[]

/** Resets that are farther away are no resets. */
export const farthestReset = 32 * 24 * 3_600_000

/** A limit that is used up and does not say until when is asked again after this. */
const unnamedPause = 1_000

const nothing: readonly LimitReading[] = []

/** Asked of every reply, so their names are made once. */
const families = ['ratelimit', 'x-ratelimit', 'x-rate-limit'].map(name => ({ name, remaining: `${name}-remaining` }))

export const readRateHeaders: ReadLimits = (headers, now) => {
  const single = headers.ratelimit
  if (single !== undefined) return readDraft(single, headers['ratelimit-policy'], now)
  for (const { name, remaining: header } of families) {
    const remaining = countOf(headers[header])
    if (remaining !== undefined) return reading(name, remaining, resetOf(name, headers, now), now)
  }
  return nothing
}

function reading(name: string, remaining: number, reset: number | undefined, now: number): readonly LimitReading[] {
  if (reset === undefined) return remaining > 0 ? nothing : [{ name, remaining, until: now + unnamedPause }]
  if (reset <= 0 || reset > farthestReset) return nothing
  return [{ name, remaining, until: now + reset }]
}

/** Milliseconds from now, or undefined when nothing says it. */
function resetOf(family: string, headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const milliseconds = amountOf(headers[`${family}-reset-ms`])
  if (milliseconds !== undefined) return milliseconds
  const after = amountOf(headers[`${family}-reset-after`])
  if (after !== undefined) return after * 1000
  return parseReset(headers[`${family}-reset`], now, headers.date)
}

/** The value of a reset header as milliseconds from now; `date` is the reply's own, by which instants are read. */
export function parseReset(text: string | undefined, now: number, date?: string): number | undefined {
  if (text === undefined) return undefined
  const theirs = (date === undefined ? undefined : parseHttpDate(date)) ?? now
  const amount = amountOf(text)
  if (amount === undefined) {
    const instant = parseHttpDate(text)
    return instant === undefined ? undefined : instant - theirs
  }
  if (amount >= 1e12) return amount - theirs
  return amount >= 1e9 ? amount * 1000 - theirs : amount * 1000
}

/** `"burst";r=50;t=30, "daily";r=4000;t=3600`, or the older `limit=100, remaining=50, reset=30`. */
function readDraft(text: string, policy: string | undefined, now: number): readonly LimitReading[] {
  if (/\bremaining=/.test(text)) {
    const remaining = countOf(/\bremaining=([^,;\s]+)/.exec(text)?.[1])
    const reset = amountOf(/\breset=([^,;\s]+)/.exec(text)?.[1])
    return remaining === undefined ? nothing : reading('ratelimit', remaining, seconds(reset), now)
  }
  return membersOf(text).flatMap(({ name, parameters }) => {
    const remaining = countOf(parameters.r)
    if (remaining === undefined) return []
    const window = policy === undefined ? undefined : membersOf(policy).find(one => one.name === name)?.parameters.w
    return reading(name, remaining, seconds(amountOf(parameters.t ?? window)), now)
  })
}

interface Member {
  readonly name: string
  readonly parameters: Readonly<Record<string, string | undefined>>
}

/** Items of a list with parameters, as far as these headers use RFC 9651. */
function membersOf(text: string): readonly Member[] {
  const items = text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []
  return items.map(item => {
    const [name = '', ...pairs] = (item.match(/(?:"(?:[^"\\]|\\.)*"|[^;"])+/g) ?? []).map(part => part.trim())
    const parameters = pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const)
    return { name: name.replaceAll('"', ''), parameters: Object.fromEntries(parameters) }
  })
}

function seconds(amount: number | undefined): number | undefined {
  return amount === undefined ? undefined : amount * 1000
}

/** A whole number of requests; the first of a list. */
function countOf(text: string | undefined): number | undefined {
  const amount = amountOf(text?.split(/[,;]/, 1)[0])
  return amount === undefined ? undefined : Math.floor(amount)
}

function amountOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d{1,16}(?:\.\d{1,9})?\s*$/.test(text)) return undefined
  return Number(text)
}
