/** Shell completions, made from the commands' definitions; they offer commands and options and call nothing. */
import type { CommandDefinition } from './command-definition.ts'
import type { OptionDefinition } from './global-options.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

type Commands = readonly CommandDefinition[]
type Options = readonly OptionDefinition[]

export function completionScript(shell: Shell, commands: Commands, globalOptions: Options): string {
  return { bash, zsh, fish }[shell](commands, globalOptions)
}

interface Flag {
  readonly name: string
  readonly takesValue: boolean
  readonly summary: string
}

function longFlag({ flags, summary }: OptionDefinition): Flag {
  return { name: /--[a-z-]+/.exec(flags)?.[0] ?? flags, takesValue: flags.includes('<'), summary }
}

const flagsOf = (command: CommandDefinition, globalOptions: Options) =>
  [...command.options, ...globalOptions].map(longFlag)

/** Words that complete the first argument of some commands. */
const choices: Readonly<Record<string, readonly string[]>> = {
  completion: shells,
  'dead-letters': ['list', 'show', 'replay', 'drop'],
  schema: ['project', 'sync', 'model'],
}

function wordsOf(command: CommandDefinition, globalOptions: Options): string {
  return [...(choices[command.name] ?? []), ...flagsOf(command, globalOptions).map(flag => flag.name)].join(' ')
}

function bash(commands: Commands, globalOptions: Options): string {
  const cases = commands.map(command => `    ${command.name}) words="${wordsOf(command, globalOptions)}" ;;`)
  return `# activate completion for bash: source <(activate completion bash)
_activate() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in ${commands.map(command => command.name).join('|')}) command="$word"; break ;; esac
  done
  case "$command" in
${cases.join('\n')}
    *) words="${[...commands.map(command => command.name), ...globalOptions.map(option => longFlag(option).name)].join(' ')}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ \${#COMPREPLY[@]} -eq 0 && "$current" != -* ]] && COMPREPLY=($(compgen -f -- "$current"))
  return 0
}
complete -F _activate activate
`
}

function zsh(commands: Commands, globalOptions: Options): string {
  const quote = (text: string) =>
    text.replaceAll("'", "'\\''").replaceAll('[', '\\[').replaceAll(']', '\\]').replaceAll(':', '\\:')
  const list = commands.map(command => `    '${command.name}:${quote(command.summary)}'`)
  const cases = commands.map(command => {
    const specs = flagsOf(command, globalOptions).map(
      flag =>
        `'${flag.name}${flag.takesValue ? '=' : ''}[${quote(flag.summary)}]${flag.takesValue ? ':value:_files' : ''}'`,
    )
    const words = choices[command.name] === undefined ? '' : ` '1:choice:(${choices[command.name]?.join(' ')})'`
    return `    ${command.name}) _arguments${words} ${specs.join(' ')} ;;`
  })
  return `#compdef activate
# activate completion for zsh: source <(activate completion zsh)
_activate() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe 'command' commands; return; fi
  local command="\${words[2]}"
  shift words; (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _activate activate
`
}

function fish(commands: Commands, globalOptions: Options): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const option = (condition: string, flag: Flag) =>
    `complete -c activate -n ${quote(condition)} -l ${flag.name.slice(2)}${flag.takesValue ? ' -r' : ''} -d ${quote(flag.summary)}`
  const names = commands.map(command => command.name).join(' ')
  return [
    '# activate completion for fish: activate completion fish > ~/.config/fish/completions/activate.fish',
    ...commands.map(
      command =>
        `complete -c activate -f -n ${quote(`not __fish_seen_subcommand_from ${names}`)} -a ${command.name} -d ${quote(command.summary)}`,
    ),
    ...globalOptions.map(longFlag).map(flag => option('true', flag)),
    ...commands.flatMap(command =>
      command.options.map(longFlag).map(flag => option(`__fish_seen_subcommand_from ${command.name}`, flag)),
    ),
    ...Object.entries(choices).map(
      ([name, words]) =>
        `complete -c activate -f -n ${quote(`__fish_seen_subcommand_from ${name}`)} -a ${quote(words.join(' '))}`,
    ),
    '',
  ].join('\n')
}
