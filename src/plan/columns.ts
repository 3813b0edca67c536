import type { Problem } from '../project/problem.ts'
import { suggest } from '../project/suggest.ts'
import type { Column } from '../warehouse/dialect.ts'

/** The problem of a column that the model does not return. */
export function missingColumn(name: string, columns: ReadonlyMap<string, Column>): Problem {
  const nearest = suggest(name, [...columns.keys()])
  return {
    code: 'A4002',
    message: `the model returns no column "${name}"`,
    help: nearest === undefined ? `it returns ${[...columns.keys()].join(', ')}` : `did you mean "${nearest}"?`,
  }
}

/** By UTF-16 unit, not by locale: the order must be the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
