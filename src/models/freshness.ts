/** Whether a source is as new as it promises, measured at the run's own clock. */
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Freshness, Source } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import type { Value } from '../warehouse/sql.ts'
import { type Fragment, raw, render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { ModelsCode } from './codes.ts'

export type FreshnessVerdict =
  | {
      readonly kind: 'fresh' | 'stale' /** ISO 8601. */
      readonly maxSeen: string /** Milliseconds. */
      readonly age: number
    }
  | { readonly kind: 'empty' }
  /** The newest value is neither a date nor a timestamp. */
  | { readonly kind: 'unreadable'; readonly maxSeen: string }

/** A select of one value, the newest of the freshness column. */
export function freshnessQuery(dialect: Dialect, relation: string, freshness: Pick<Freshness, 'column'>): Fragment {
  return raw(`select max(${dialect.quote(freshness.column)}) as max_seen from ${relation}`)
}

/**
 * `maxSeen` as the warehouse gives it (`2026-03-01`, ISO 8601), `asOf` and `maxAge` in milliseconds. A date is its first
 * moment, and what has no zone is UTC. Something newer than the clock is fresh: nights are repeated with `--as-of`.
 */
export function judgeFreshness(maxSeen: Value, asOf: number, maxAge: number): FreshnessVerdict {
  if (maxSeen === null) return { kind: 'empty' }
  const text = String(maxSeen)
  const seen = typeof maxSeen === 'string' ? instantOf(text) : Number.NaN
  if (Number.isNaN(seen)) return { kind: 'unreadable', maxSeen: text }
  const age = asOf - seen
  return { kind: age > maxAge ? 'stale' : 'fresh', maxSeen: text, age }
}

function instantOf(text: string): number {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}(?::?\d{2})?)?)?$/.exec(
    text,
  )
  if (parts === null) return Number.NaN
  const [, date, time = '00:00', zone = 'Z'] = parts
  const offset = zone === 'Z' || zone.length > 3 ? zone : `${zone}:00`
  return Date.parse(`${date}T${time}${offset.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')}`)
}

/** Asks the warehouse. Undefined for a source that promises no freshness. */
export async function checkFreshness(
  warehouse: Warehouse,
  relation: string,
  source: Pick<Source, 'freshness'>,
  asOf: number,
): Promise<FreshnessVerdict | undefined> {
  const { freshness } = source
  if (freshness === undefined) return undefined
  const { dialect } = warehouse
  const [row] = await warehouse.query(render(freshnessQuery(dialect, relation, freshness), dialect.placeholder))
  if (row === undefined)
    throw new ActivateError('failed', { code: 'A2024' satisfies ModelsCode, message: 'the warehouse gave no answer' })
  return judgeFreshness(row.max_seen ?? null, asOf, freshness.maxAge)
}

/** What is wrong with a source of this verdict; undefined when it is fresh. */
export function freshnessProblem(
  source: Pick<Source, 'name' | 'freshness' | 'place'>,
  verdict: FreshnessVerdict,
): Problem | undefined {
  const { name, freshness, place } = source
  const column = freshness?.column ?? ''
  switch (verdict.kind) {
    case 'fresh':
      return undefined
    case 'stale': {
      const message = `the source "${name}" is stale: its newest ${column} is ${verdict.maxSeen}, ${hours(verdict.age)} old; ${hours(freshness?.maxAge ?? 0)} are allowed`
      return { code: 'A2023' satisfies ModelsCode, message, place, help: 'look at the load that fills it' }
    }
    case 'empty':
      return {
        code: 'A2024' satisfies ModelsCode,
        message: `the source "${name}" has no ${column}: it is empty`,
        place,
      }
    case 'unreadable': {
      const message = `the source "${name}" is measured by ${column}, but "${verdict.maxSeen}" is no date or timestamp`
      return {
        code: 'A2024' satisfies ModelsCode,
        message,
        place,
        help: `declare its type: columns: { ${column}: { type: timestamp } }`,
      }
    }
  }
}

function hours(milliseconds: number): string {
  return `${Math.round(milliseconds / 360_000) / 10} h`
}
