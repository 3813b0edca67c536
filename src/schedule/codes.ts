import type { ErrorCodes } from '../project/problem.ts'

export const scheduleCodes = {
  A7001: {
    title: 'unreadable schedule',
    explanation:
      'A schedule is a cron expression of five fields (minute, hour, day of month, month, day of week), such as "0 2 * * *" for every night at two, in the project\'s time zone. Ranges, lists, steps over a range and names of months and days are understood.',
    exit: 'invalid',
  },
  A7002: {
    title: 'schedule that is never due',
    explanation: 'The expression is well formed but names a date that does not exist, such as the 30th of February.',
    exit: 'invalid',
  },
  A7003: {
    title: 'nothing to schedule',
    explanation:
      'None of the selected syncs has a `schedule`, so the daemon would wait for ever. Give at least one sync a schedule.',
    exit: 'invalid',
  },
} as const satisfies ErrorCodes
