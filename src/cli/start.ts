/** Parses the arguments, runs the command, and tells a person or a script how it ended. */
import { ActivateError, type ExitReason } from '../project/problem.ts'
import { createScrubber } from '../project/scrubber.ts'
import { commands } from './commands.ts'
import { exitNumber } from './exit.ts'
import type { GlobalFlags } from './invocation.ts'
import { parse } from './program.ts'
import { renderProblems } from './render/errors.ts'
import { errorDocument, toJson } from './render/json.ts'
import { type Io, openTerminal, processIo, type Terminal } from './terminal.ts'

export async function start(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const guessed = guessFlags(argv)
  const secrets = createScrubber()
  let terminal = openTerminal(io, guessed, secrets.scrub)
  let flags: Pick<GlobalFlags, 'json' | 'verbose'> = guessed
  try {
    const parsed = parse(argv)
    if (parsed.kind === 'text') {
      await terminal.write(parsed.text.endsWith('\n') ? parsed.text : `${parsed.text}\n`)
      return exitNumber('ok')
    }
    flags = parsed.flags
    terminal = openTerminal(io, parsed.flags, secrets.scrub)
    const { execute } = await parsed.definition.load()
    return exitNumber(await execute({ flags: parsed.flags, input: parsed.input, terminal, io, commands, secrets }))
  } catch (error) {
    return exitNumber(await report(error, flags, terminal))
  }
}

/** Before the parser has spoken, for the case that it is the parser that complains. */
function guessFlags(argv: readonly string[]): Pick<GlobalFlags, 'json' | 'verbose' | 'quiet' | 'noColor'> {
  const has = (flag: string) => argv.includes(flag)
  return { json: has('--json'), verbose: has('--verbose'), quiet: has('--quiet'), noColor: has('--no-color') }
}

async function report(
  error: unknown,
  flags: Pick<GlobalFlags, 'json' | 'verbose'>,
  terminal: Terminal,
): Promise<ExitReason> {
  const known = error instanceof ActivateError ? error : unexpected(error)
  if (flags.json) await writeDocument(known, terminal)
  else terminal.complain(renderProblems(known.problems, terminal.ink))
  if (flags.verbose) terminal.complain(stackOf(error))
  return known.exit
}

/** The output itself may be what failed; then stderr is all that is left. */
async function writeDocument(error: ActivateError, terminal: Terminal): Promise<void> {
  try {
    await terminal.write(toJson(errorDocument(error.problems)))
  } catch {
    terminal.complain(renderProblems(error.problems, terminal.ink))
  }
}

function unexpected(error: unknown): ActivateError {
  const message = error instanceof Error ? error.message : String(error)
  const [first = ''] = message.split('\n')
  return new ActivateError(
    'failed',
    {
      code: 'A8000',
      message: first === '' ? 'unexpected error' : first,
      help: 'run it again with --verbose to see where it happened',
    },
    { cause: error },
  )
}

function stackOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const cause = error instanceof Error && error.cause !== undefined ? `\ncaused by: ${stackOf(error.cause)}` : ''
  return `${stack}${cause}`
}
