/** The options that every command takes, and what an option is. */

export interface OptionDefinition {
  /** As commander reads it: `--save <file>`. */
  readonly flags: string
  readonly summary: string
  /** May be given several times; each adds to the ones before. */
  readonly repeatable?: true
}

export const globalOptions: readonly OptionDefinition[] = [
  { flags: '-C, --directory <dir>', summary: 'the project, or a folder inside it (default: the working directory)' },
  { flags: '--target <name>', summary: 'warehouse and ledger of this target (or ACTIVATE_TARGET)' },
  {
    flags: '--select <selector>',
    summary: 'only these syncs: name, glob, tag:, model:, destination:, path:, +x, x+',
    repeatable: true,
  },
  { flags: '--exclude <selector>', summary: 'all but these syncs, in the same grammar', repeatable: true },
  { flags: '--as-of <time>', summary: 'the logical clock: 2026-03-01, 2026-03-01T02:00 or an instant with an offset' },
  { flags: '--json', summary: 'one JSON document on stdout' },
  { flags: '--quiet', summary: 'errors only' },
  { flags: '--verbose', summary: 'more talk on stderr; the stack of unexpected errors' },
  { flags: '--no-color', summary: 'no colours (as with NO_COLOR)' },
]
