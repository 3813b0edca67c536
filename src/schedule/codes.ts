import type { ErrorCodes } from '../project/problem.ts'

export const scheduleCodes = {
  A7001: {
    title: 'nothing to schedule',
    explanation:
      'None of the selected syncs has a `schedule`, so the daemon would wait for ever. Give at least one sync a schedule.',
    exit: 'invalid',
  },
} as const satisfies ErrorCodes
