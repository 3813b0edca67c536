/** Numbers as every engine reads them. */
import { ActivateError } from '../project/problem.ts'

/** Throws A3007 for NaN and infinities. In parentheses when negative, so that no minus before it makes a comment. */
export function numeral(value: number): string {
  if (!Number.isFinite(value))
    throw new ActivateError('invalid', { code: 'A3007', message: `${value} cannot be written into SQL` })
  return value < 0 ? `(${value})` : String(Math.abs(value))
}

/** The same number. Throws A3007 for what is not whole, or too large to be so for certain. */
export function wholeNumber(value: number): number {
  if (!Number.isSafeInteger(value))
    throw new ActivateError('invalid', { code: 'A3007', message: `${value} is not a whole number` })
  return value
}
