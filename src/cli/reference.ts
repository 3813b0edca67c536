/** `docs/reference/cli.md`, made from the definitions of the commands so that it cannot fall behind them. */
import { exitCodes } from '../project/problem.ts'
import type { CommandDefinition } from './command-definition.ts'
import { commands } from './commands.ts'
import { severity } from './exit.ts'
import { globalOptions, type OptionDefinition } from './global-options.ts'

/** What each way of ending means, for people. */
export const exitMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'all went well',
  failed: 'something failed, or a saved plan is stale',
  changes: 'there is something to send (`dry-run --exit-code` only)',
  partial: 'some rows were rejected, parked or are still pending; some outcomes of a report could not be measured',
  credentials: 'a credential is missing or was refused',
  held: 'a guard or a hold stops the run, or its plan awaits approval',
  locked: 'another runner is at work on the sync',
  invalid: 'the project or the command line is wrong',
  interrupted: 'stopped by a signal; the next run resumes',
}

export function cliReference(): string {
  return [
    '# Command line',
    'Made from the definitions in `src/cli/commands.ts`; change those, not this page.',
    'Data goes to stdout, talk to stderr. With `--json`, stdout holds one versioned JSON document and nothing else;\nan error is the document `activate.error/1` with the same exit code.',
    '## Global options',
    'Accepted before and after the command.',
    optionTable(globalOptions),
    '## Commands',
    ...commands.flatMap(commandSection),
    '## Exit codes',
    `Of several syncs the worst decides, from harmless to worst: ${severity.join(', ')}.`,
    table(
      ['code', 'name', 'meaning'],
      Object.entries(exitMeanings).map(([name, meaning]) => [
        String(exitCodes[name as keyof typeof exitCodes]),
        name,
        meaning,
      ]),
    ),
  ]
    .join('\n\n')
    .concat('\n')
}

function commandSection(command: CommandDefinition): readonly string[] {
  const usage = [
    'activate',
    command.name,
    ...command.arguments.map(({ name, required, repeatable }) => {
      const written = repeatable === undefined ? name : `${name}...`
      return required ? `<${written}>` : `[${written}]`
    }),
  ]
  const parameters = command.arguments.map(({ name, summary }) => [`\`${name}\``, summary])
  return [
    `### ${command.name}`,
    `\`${usage.join(' ')}\``,
    `${sentence(command.description ?? command.summary)}`,
    ...(parameters.length === 0 ? [] : [table(['argument', ''], parameters)]),
    ...(command.options.length === 0 ? [] : [optionTable(command.options)]),
    `\`\`\`sh\n${command.examples.join('\n')}\n\`\`\``,
  ]
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(capital) ? capital : `${capital}.`
}

function optionTable(options: readonly OptionDefinition[]): string {
  return table(
    ['option', ''],
    options.map(({ flags, summary }) => [`\`${flags}\``, summary]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}
