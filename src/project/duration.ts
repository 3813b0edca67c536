/** Spans of time as people write them in the project's files: a whole number and one unit. */
import { ActivateError } from './problem.ts'
import { readable } from './schema/text.ts'

const units = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const
type Unit = keyof typeof units

const pattern = /^(\d+)(ms|s|m|h|d|w)$/

export const durationHelp = 'write a whole number and a unit: 500ms, 1s, 15m, 26h, 300d or 2w'

/** Milliseconds, or undefined when the text is not a duration. */
function read(text: string): number | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const milliseconds = Number(match[1]) * units[match[2] as Unit]
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined
}

/** Milliseconds of `300d`, `26h`, `15m`, `1s`, `500ms`, `2w`. Days are 24 hours. Throws ActivateError A1117. */
export function parseDuration(text: string): number {
  const milliseconds = read(text)
  if (milliseconds !== undefined) return milliseconds
  throw new ActivateError('invalid', { code: 'A1117', message: `"${text}" is not a duration`, help: durationHelp })
}

/** The shortest exact text of a number of milliseconds: the largest unit that divides it; days rather than weeks. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isSafeInteger(milliseconds) || milliseconds < 0)
    throw new TypeError(`${milliseconds} is not a whole number of milliseconds`)
  if (milliseconds === 0) return '0s'
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (milliseconds % units[unit] === 0) return `${milliseconds / units[unit]}${unit}`
  }
  return `${milliseconds}ms`
}

/** A duration in a file, as milliseconds. */
export const duration = () =>
  readable(read, {
    pattern: pattern.source,
    examples: ['30s', '26h', '300d'],
    code: 'A1117',
    message: 'is not a duration',
    help: durationHelp,
  })
