import type { ErrorCodes } from '../project/problem.ts'

/** What can go wrong with reports. */
export const reportCodes = {
  A8510: {
    title: 'these are not the figures of an arm',
    explanation:
      'A statistic was asked of counts or sums that cannot be: a count that is negative or no whole number, more conversions than units, a sum that is not finite, a level outside of (0, 1). Nothing was computed, because an interval of such figures would be false. If `activate report` says so, the outcome model returned values that should have been left out; please report it.',
    exit: 'failed',
  },
  A8511: {
    title: 'a numerical method did not converge',
    explanation:
      'An iteration came to its limit before it was exact enough. No figure was made up in its place. This is a defect of the tool; please report it with the figures that the message names.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes

export type ReportCode = keyof typeof reportCodes
