/** DuckDB's messages as the tool's errors. The wordings were read off DuckDB 1.5.6. */
import { ActivateError } from '../project/problem.ts'

/** The first line of the message, without the kind that DuckDB puts before it. */
function sentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const [first = message] = message.trim().split('\n')
  return first.replace(/^(?:[A-Z][A-Za-z]* )+Error: /, '')
}

/** The line of the statement at which DuckDB points, if it does. */
function pointer(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : ''
  return /^LINE \d+: .*$/m.exec(message)?.[0]
}

function failure(
  exit: ActivateError['exit'],
  code: string,
  message: string,
  cause: unknown,
  help?: string,
): ActivateError {
  return new ActivateError(exit, { code, message, ...(help === undefined ? {} : { help }) }, { cause })
}

const lockedHelp = 'wait for the other run to end, or close the program that has the file open'

function lockHolder(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : String(error)
  if (!/could not set lock on file|being used by another process|already open/i.test(message)) return undefined
  const holder = /lock is held in (.+?) \(PID (\d+)\)/.exec(message)
  return holder === null ? 'another process' : `process ${holder[2]} (${holder[1]})`
}

export function openFailure(path: string, error: unknown): ActivateError {
  const holder = lockHolder(error)
  if (holder !== undefined) return lockedFailure(path, holder, error)
  if (/newer version of DuckDB|storage version|version number/i.test(String(error))) {
    return failure(
      'failed',
      'A3001',
      `${path} was written by a newer DuckDB: ${sentence(error)}`,
      error,
      'update activate',
    )
  }
  return failure('failed', 'A3001', `${path} cannot be opened: ${sentence(error)}`, error)
}

export function lockedFailure(path: string, holder: string, cause?: unknown): ActivateError {
  return failure('locked', 'A3002', `${path} is held by ${holder}`, cause, lockedHelp)
}

export function attachFailure(alias: string, path: string, error: unknown): ActivateError {
  const holder = lockHolder(error)
  if (holder !== undefined) {
    return failure(
      'locked',
      'A3002',
      `the attached database ${alias} (${path}) is held by ${holder}`,
      error,
      lockedHelp,
    )
  }
  const message = `the database ${alias} (${path}) cannot be attached: ${sentence(error)}`
  return failure(
    'failed',
    'A3004',
    message,
    error,
    'attach takes DuckDB files; declare CSV and Parquet files under sources',
  )
}

export function missingAttachment(alias: string, path: string, cause: unknown): ActivateError {
  return failure(
    'failed',
    'A3003',
    `the database ${alias} cannot be read: ${path}`,
    cause,
    'check the path under warehouse.attach',
  )
}

export function settingFailure(name: string, value: string, help: string): ActivateError {
  return failure('invalid', 'A3005', `warehouse.${name}: ${JSON.stringify(value)} is not valid`, undefined, help)
}

export function closedFailure(): ActivateError {
  return failure('interrupted', 'A3013', 'the warehouse has been closed', undefined)
}

/** What a failed statement becomes; an error that is one of ours already stays as it is. */
export function statementFailure(error: unknown): ActivateError {
  if (error instanceof ActivateError) return error
  const message = String(error)
  if (/INTERRUPT/i.test(message)) return failure('interrupted', 'A3011', 'the statement was cancelled', error)
  if (/Out of Memory|No space left|max_temp_directory_size|failed to offload/i.test(message)) {
    return failure(
      'failed',
      'A3012',
      sentence(error),
      error,
      'raise warehouse.memory or free disk space beside the warehouse file',
    )
  }
  const line = pointer(error)
  return failure('failed', 'A3010', line === undefined ? sentence(error) : `${sentence(error)} (${line})`, error)
}
