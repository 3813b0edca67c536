/**
 * The entry of the command line. `--version` is answered before anything else is loaded; every other command loads the
 * parser, and the parser loads the one command that was asked for.
 */
import { version } from './package.ts'
import type { Io } from './terminal.ts'

/** Runs one command and resolves to the exit code; it never throws and never ends the process itself. */
export async function main(argv: readonly string[], io?: Io): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    const stdout = io?.stdout ?? process.stdout
    stdout.on('error', () => undefined)
    stdout.write(`${version()}\n`)
    return 0
  }
  const { start } = await import('./start.ts')
  return await start(argv, io)
}
