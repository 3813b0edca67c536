/** One call of one command: what it was given and whom it may speak to. */
import { ActivateError, type ExitReason } from '../project/problem.ts'
import type { Scrubber } from '../project/scrubber.ts'
import type { CommandDefinition } from './command-definition.ts'
import type { Io, Terminal } from './terminal.ts'

/** The options that every command takes. */
export interface GlobalFlags {
  readonly directory?: string
  readonly target?: string
  readonly select: readonly string[]
  readonly exclude: readonly string[]
  /** As written; read in the project's time zone by `as-of.ts`. */
  readonly asOf?: string
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly noColor: boolean
}

/** Arguments and options of the command itself, by their names in the command's definition. */
export interface Input {
  argument(name: string): string | undefined
  flag(option: string): boolean
  text(option: string): string | undefined
  /** Everything that a repeatable option or argument was given, in its order. */
  list(option: string): readonly string[]
  /** A whole number of at least `min`, or A8003. */
  count(option: string, min?: number): number | undefined
}

export interface Invocation {
  readonly flags: GlobalFlags
  readonly input: Input
  readonly terminal: Terminal
  readonly io: Io
  /** Knows every secret that was read so far, and keeps it out of what is written anywhere. */
  readonly secrets: Scrubber
  /** Every command there is, for those that speak about the others. */
  readonly commands: readonly CommandDefinition[]
}

/** A command ends with a reason, which `exitCodes` turns into a number, or throws an ActivateError. */
export type Execute = (invocation: Invocation) => Promise<ExitReason>

export function inputOf(
  parameters: Readonly<Record<string, string | undefined>>,
  options: Readonly<Record<string, unknown>>,
): Input {
  const text = (option: string) => {
    const value = options[option]
    return typeof value === 'string' ? value : undefined
  }
  return {
    argument: name => parameters[name],
    flag: option => options[option] === true,
    text,
    list: option => {
      const value = options[option]
      return Array.isArray(value) ? value.map(String) : []
    },
    count: (option, min = 0) => {
      const written = text(option)
      if (written === undefined) return undefined
      const value = Number(written)
      if (/^\d+$/.test(written) && Number.isSafeInteger(value) && value >= min) return value
      const name = option.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
      throw new ActivateError('invalid', {
        code: 'A8003',
        message: `--${name} needs a whole number of at least ${min}, not "${written}"`,
      })
    },
  }
}
