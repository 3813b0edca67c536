/**
 * What went wrong, where, and how to mend it. Every error that a user can meet is an `ActivateError`: a stable code,
 * a place with the line itself, what is wrong, and help. One error may carry many problems, because a project is
 * checked whole before anything is reported.
 */

/** A position in a file of the project; lines and columns count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The line as it is written in the file, when it is known. */
  readonly source?: string
  /** How many characters the caret underlines. */
  readonly length?: number
}

export interface Problem {
  /** Stable, for `activate explain`: `A` and four digits. */
  readonly code: string
  readonly message: string
  readonly place?: Place
  readonly help?: string
}

/** Exit codes of the command line (docs/reference/exit-codes.md). */
export const exitCodes = {
  ok: 0,
  failed: 1,
  changes: 2,
  partial: 3,
  credentials: 4,
  held: 5,
  locked: 6,
  invalid: 7,
  interrupted: 130,
} as const

export type ExitReason = keyof typeof exitCodes

/** One entry of a room's list of errors: what `activate explain <code>` prints, and how the process ends. */
export interface ErrorCode {
  readonly title: string
  /** Why it happens and what to do, in a few sentences; plain text. */
  readonly explanation: string
  readonly exit: ExitReason
}

/** Each room of the house keeps its own list; `cli/commands/explain.ts` reads them all. */
export type ErrorCodes = Readonly<Record<string, ErrorCode>>

export class ActivateError extends Error {
  readonly problems: readonly [Problem, ...Problem[]]
  readonly exit: ExitReason

  constructor(exit: ExitReason, problems: Problem | readonly Problem[], options?: { cause?: unknown }) {
    const list = Array.isArray(problems) ? (problems as readonly Problem[]) : [problems as Problem]
    const [first, ...rest] = list
    if (first === undefined) throw new TypeError('an ActivateError needs at least one problem')
    super(list.map(problem => `${problem.code}: ${problem.message}`).join('\n'), options)
    this.name = 'ActivateError'
    this.problems = [first, ...rest]
    this.exit = exit
  }
}
