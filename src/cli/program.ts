/** The parser: commander built from the definitions, its complaints turned into ActivateErrors. */
import { Command, CommanderError, Option } from 'commander'
import { ActivateError } from '../project/problem.ts'
import type { CommandDefinition } from './command-definition.ts'
import { commands } from './commands.ts'
import { globalOptions, type OptionDefinition } from './global-options.ts'
import { type GlobalFlags, type Input, inputOf } from './invocation.ts'
import { version } from './package.ts'

/** What the arguments ask for: a command, or a text such as the help. */
export type Parsed =
  | {
      readonly kind: 'command'
      readonly definition: CommandDefinition
      readonly flags: GlobalFlags
      readonly input: Input
    }
  | { readonly kind: 'text'; readonly text: string }

/** Throws A8001 to A8003 on what it cannot read. */
export function parse(argv: readonly string[]): Parsed {
  let text = ''
  let parsed: Parsed | undefined
  const program = buildProgram(
    (definition, flags, input) => {
      parsed = { kind: 'command', definition, flags, input }
    },
    written => {
      text += written
    },
  )
  try {
    program.parse(argv.length === 0 ? ['--help'] : argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0 || error.code === 'commander.help') return { kind: 'text', text }
    throw usageError(error)
  }
  return parsed ?? { kind: 'text', text: program.helpInformation() }
}

type Chosen = (definition: CommandDefinition, flags: GlobalFlags, input: Input) => void

/** The program as commander knows it; `reference.ts` reads its help. */
export function buildProgram(chosen: Chosen, writeOut: (text: string) => void): Command {
  const program = new Command('activate')
    .description('Warehouse-native batch activation: SQL models, synced safely to CRMs and messaging APIs')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut, writeErr: writeOut, outputError: () => undefined })
    .configureHelp({ showGlobalOptions: true })
  for (const definition of globalOptions) program.addOption(optionOf(definition))
  for (const definition of commands) addCommand(program, definition, chosen)
  program.addHelpText(
    'after',
    '\nExit codes: 0 ok, 1 failed, 2 changes, 3 partial, 4 credentials, 5 held, 6 locked, 7 invalid, 130 interrupted',
  )
  return program
}

function optionOf({ flags, summary, repeatable }: OptionDefinition): Option {
  const option = new Option(flags, summary)
  if (repeatable === undefined) return option
  return option.default([], 'all').argParser((value: string, before: readonly string[]) => [...before, value])
}

function addCommand(program: Command, definition: CommandDefinition, chosen: Chosen): void {
  const command = program
    .command(definition.name)
    .summary(definition.summary)
    .description(definition.description ?? definition.summary)
  for (const argument of definition.arguments) {
    const name = argument.repeatable === undefined ? argument.name : `${argument.name}...`
    command.argument(argument.required ? `<${name}>` : `[${name}]`, argument.summary)
  }
  for (const option of definition.options) command.addOption(optionOf(option))
  const examples = definition.examples.map(example => `  ${example}`).join('\n')
  command.addHelpText('after', `\nExamples:\n${examples}`)
  command.allowExcessArguments(false)
  command.action(() => {
    const parameters = Object.fromEntries(
      definition.arguments.map((argument, index) => [argument.name, command.args[index]]),
    )
    const repeated = definition.arguments.flatMap((argument, index) =>
      argument.repeatable === undefined ? [] : [[argument.name, command.args.slice(index)] as const],
    )
    const options = { ...command.opts(), ...Object.fromEntries(repeated) }
    chosen(definition, globalFlags(program.opts()), inputOf(parameters, options))
  })
}

function globalFlags(options: Readonly<Record<string, unknown>>): GlobalFlags {
  const text = (name: string) => (typeof options[name] === 'string' ? options[name] : undefined)
  const list = (name: string) => (Array.isArray(options[name]) ? options[name].map(String) : [])
  const directory = text('directory')
  const target = text('target')
  const asOf = text('asOf')
  return {
    ...(directory === undefined ? {} : { directory }),
    ...(target === undefined ? {} : { target }),
    ...(asOf === undefined ? {} : { asOf }),
    select: list('select'),
    exclude: list('exclude'),
    json: options.json === true,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
    noColor: options.color === false,
  }
}

const codeOfComplaint: Readonly<Record<string, string>> = {
  'commander.unknownCommand': 'A8001',
  'commander.unknownOption': 'A8002',
}

function usageError(error: CommanderError): ActivateError {
  const [said = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const hint = more
    .join(' ')
    .trim()
    .replace(/^\(D(.*)\)$/, 'd$1')
  return new ActivateError('invalid', {
    code: codeOfComplaint[error.code] ?? 'A8003',
    message: said.replaceAll("'", '"'),
    help: hint === '' ? '`activate --help` lists commands and options' : hint,
  })
}
