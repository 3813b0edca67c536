/** How a run of several syncs ends: the worst of them decides. */
import { type ExitReason, exitCodes, type Problem } from '../project/problem.ts'
import type { RunSummary } from '../run.ts'
import { codeBook } from './code-book.ts'

/**
 * From harmless to worst. Held and locked wait for somebody and lost nothing; partial did most of the work; a failure
 * whose cause is known to be the project or the credentials is named, because that is what has to be mended first.
 */
export const severity: readonly ExitReason[] = [
  'ok',
  'changes',
  'locked',
  'held',
  'partial',
  'failed',
  'invalid',
  'credentials',
  'interrupted',
]

export function worst(reasons: readonly ExitReason[]): ExitReason {
  return reasons.reduce<ExitReason>(
    (most, reason) => (severity.indexOf(reason) > severity.indexOf(most) ? reason : most),
    'ok',
  )
}

/** Why one sync's run would end the process. */
export function exitOfRun(run: Pick<RunSummary, 'status' | 'problems'>): ExitReason {
  switch (run.status) {
    case 'succeeded':
    case 'skipped':
      return 'ok'
    case 'partial':
    case 'held':
    case 'locked':
    case 'interrupted':
      return run.status
    case 'failed':
      return worst(['failed', ...(run.problems ?? []).map(problem => failureOf(problem.code))])
  }
}

/** Why a report would end the process of which some outcomes could not be measured: the rest is there. */
export function exitOfReport(problems: readonly Problem[]): ExitReason {
  return worst(problems.map(({ code }) => (failureOf(code) === 'failed' ? 'partial' : failureOf(code))))
}

function failureOf(code: string): ExitReason {
  const exit = codeBook[code]?.exit
  return exit === 'credentials' || exit === 'invalid' ? exit : 'failed'
}

export function exitNumber(reason: ExitReason): number {
  return exitCodes[reason]
}
