/** How a statistic refuses figures that cannot be: an error, so that no false number comes of them. */
import { ActivateError } from '../../project/problem.ts'
import type { ReportCode } from '../codes.ts'

/** Throws A8510 unless `holds`; written so that NaN never holds. `message` says what should be and what is. */
export function demand(holds: boolean, message: string): asserts holds {
  if (holds) return
  const code: ReportCode = 'A8510'
  throw new ActivateError('failed', { code, message })
}

export function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}

/** Throws A8510 unless 0 < p < 1. */
export function demandLevel(p: number, name: string): void {
  demand(p > 0 && p < 1, `${name} must be between 0 and 1, and is ${p}`)
}

/** A8511. */
export function notConverged(method: string, figures: readonly number[]): ActivateError {
  const code: ReportCode = 'A8511'
  return new ActivateError('failed', { code, message: `${method} did not converge for (${figures.join(', ')})` })
}
