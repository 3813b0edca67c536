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
  A8512: {
    title: 'an outcome names a column that its model does not return',
    explanation:
      'An outcome reads the person, the time and perhaps a value of each event from columns of its model. One of them is not there, or the file does not say which column holds the key of the person and the model does not tell either.',
    exit: 'invalid',
  },
  A8513: {
    title: 'a column of an outcome has the wrong type',
    explanation:
      'The time of an event must be a timestamp or a date, its value a number. Text that looks like one is not guessed at: cast it in the model.',
    exit: 'invalid',
  },
} as const satisfies ErrorCodes

export type ReportCode = keyof typeof reportCodes
