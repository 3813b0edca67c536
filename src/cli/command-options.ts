/** Options that several commands have, in the same words. */
import type { OptionDefinition } from './global-options.ts'

export const showPii: OptionDefinition = {
  flags: '--show-pii',
  summary: 'show personal data in samples instead of masking it',
}
export const fullResync: OptionDefinition = {
  flags: '--full-resync',
  summary: 'send every row again, changed or not; never repeats a communication',
}
export const limit: OptionDefinition = { flags: '--limit <n>', summary: 'send at most this many changes per sync' }

export const by: OptionDefinition = {
  flags: '--by <name>',
  summary: 'who decided it (default: ACTIVATE_USER, else the name of the user)',
}
export const reason: OptionDefinition = { flags: '--reason <text>', summary: 'why; kept in the audit trail (required)' }
export const holdTarget: readonly OptionDefinition[] = [
  { flags: '--destination <name>', summary: 'every sync of this destination' },
  { flags: '--all', summary: 'every sync' },
]
