/** Five-field cron expressions, checked here and read by the scheduler. */
import { Cron } from 'croner'
import { readable } from './text.ts'

export const scheduleHelp = 'write five fields: minute hour day-of-month month day-of-week, such as "0 2 * * *"'

/** Looks this far for the first due time; the same for every run, so that a file is valid or not, whatever the day. */
const epoch = new Date('2024-01-01T00:00:00Z')

/** What is wrong with a schedule, or undefined. croner (11.0.1) also knows seconds, `@daily` and `?`; we do not. */
export function scheduleFault(expression: string): string | undefined {
  const fields = expression.trim().split(/\s+/)
  if (expression.trim() === '' || fields.length !== 5) {
    return `has ${expression.trim() === '' ? 'no fields' : `${fields.length} field${fields.length === 1 ? '' : 's'}`}`
  }
  const odd = fields.find(field => !/^[0-9A-Za-z*,/#-]+$/.test(field))
  if (odd !== undefined) return `has a field that is not understood: ${odd}`
  try {
    const cron = new Cron(expression.trim(), { mode: '5-part', paused: true, timezone: 'UTC' })
    return cron.nextRun(epoch) === null ? 'is never due' : undefined
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError || error instanceof Error) {
      return `is not valid: ${error.message.replace(/^CronPattern: /, '')}`
    }
    throw error
  }
}

/** The expression as written, without space around it. */
export const schedule = () =>
  readable(text => (scheduleFault(text) === undefined ? text.trim().replace(/\s+/g, ' ') : undefined), {
    code: 'A1114',
    message: 'is not a schedule',
    examples: ['0 2 * * *'],
    help: text => `it ${scheduleFault(text)}; ${scheduleHelp}`,
  })
