/** The ledger's errors, and what SQLite's own mean for a user. */
import { ActivateError } from '../project/problem.ts'
import { type LedgerCode, ledgerCodes } from './codes.ts'

export function ledgerError(code: LedgerCode, message: string, options: { help?: string; cause?: unknown } = {}) {
  const { help, cause } = options
  const problem = { code, message, ...(help === undefined ? {} : { help }) }
  return new ActivateError(ledgerCodes[code].exit, problem, cause === undefined ? {} : { cause })
}

/** SQLite's result codes (sqlite.org/rescode.html, read 2026-11), by the beginning of their names. */
const meanings: readonly (readonly [prefix: string, code: LedgerCode, what: string])[] = [
  ['SQLITE_CORRUPT', 'A5001', 'is damaged'],
  ['SQLITE_NOTADB', 'A5001', 'is not a ledger'],
  ['SQLITE_BUSY', 'A5004', 'is locked by another process'],
  ['SQLITE_LOCKED', 'A5004', 'is locked'],
  ['SQLITE_FULL', 'A5005', 'cannot grow: the disk is full'],
  ['SQLITE_IOERR', 'A5005', 'could not be read or written'],
  ['SQLITE_READONLY', 'A5005', 'is read-only'],
  ['SQLITE_CANTOPEN', 'A5008', 'cannot be opened'],
  ['SQLITE_PERM', 'A5008', 'may not be opened'],
  ['SQLITE_AUTH', 'A5008', 'may not be opened'],
]

const helps: Partial<Record<LedgerCode, string>> = {
  A5001: 'restore it from a backup, together with its -wal file',
  A5004: 'look for a stopped process or a backup tool that holds the file, and run again',
  A5005: 'free some space or mend the disk, and run again: what was recorded is intact',
  A5008: 'check the path under ledger in activate.yml and the permissions of its folder',
}

/** An error of SQLite as the user should see it; any other error as it is. */
export function explainFailure(error: unknown, path: string): unknown {
  if (error instanceof ActivateError) return error
  const code = codeOf(error)
  const meaning = meanings.find(([prefix]) => code.startsWith(prefix))
  if (meaning === undefined) return error
  const help = helps[meaning[1]]
  return ledgerError(meaning[1], `the ledger ${path} ${meaning[2]} (${code})`, {
    ...(help === undefined ? {} : { help }),
    cause: error,
  })
}

/** Whether one statement was refused and the transaction around it is sound. */
export function isConstraint(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_CONSTRAINT')
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
