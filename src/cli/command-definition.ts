/** What a command is to everything that reads the list of them. */
import type { OptionDefinition } from './global-options.ts'
import type { Execute } from './invocation.ts'

export interface ArgumentDefinition {
  readonly name: string
  readonly summary: string
  readonly required: boolean
  /** The last one may be given several times. */
  readonly repeatable?: true
}

export interface CommandDefinition {
  readonly name: string
  readonly summary: string
  readonly description?: string
  readonly arguments: readonly ArgumentDefinition[]
  readonly options: readonly OptionDefinition[]
  readonly examples: readonly string[]
  readonly load: () => Promise<{ readonly execute: Execute }>
}
