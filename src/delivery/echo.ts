/**
 * What a destination says of a record may repeat what it was sent ("ann@x.example is not an address"), and what is said is
 * kept in plain text, in the ledger, in the warehouse and in logs. So the values of the record are taken out of it; the
 * whole of it is in the dead letter, sealed.
 */
import type { ChangeException } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import type { Json } from '../project/project.ts'
import type { Resolution } from './resolve-outcome.ts'
import type { Task } from './task.ts'

/** Shorter values stand in any text by chance, and taking them out would make it unreadable. */
const shortestValue = 4

/** With more different messages than this, each is about a record of its own, and is rid of the values of that one. */
const fewMessages = 8

/** The same resolution, with nothing of the records in its messages. */
export function withoutEchoes(task: Task, resolution: Resolution): Resolution {
  const { exceptions, error } = resolution
  if (exceptions.length === 0 && error === undefined) return resolution
  const changes = [...task.changes, ...task.unsendable]
  return {
    ...resolution,
    exceptions: silenceAll(exceptions, changes),
    ...(error === undefined ? {} : { error: { ...error, message: withoutValues(error.message, changes) } }),
  }
}

/** What is said of a batch stands at each of its records, and may be about any of them. */
function silenceAll(
  exceptions: readonly ChangeException[],
  changes: readonly PlannedChange[],
): readonly ChangeException[] {
  const messages = new Set(exceptions.map(({ message }) => message))
  if (messages.size <= fewMessages) {
    const silenced = new Map([...messages].map(message => [message, withoutValues(message, changes)]))
    return exceptions.map(exception => ({ ...exception, message: silenced.get(exception.message) ?? '' }))
  }
  const own = new Map(changes.map(change => [change.seq, change]))
  return exceptions.map(exception => {
    const change = own.get(exception.seq)
    return change === undefined ? exception : { ...exception, message: withoutValues(exception.message, [change]) }
  })
}

/** The text without the values of these records' fields, however their letters are cased. */
export function withoutValues(message: string, changes: readonly Pick<PlannedChange, 'fields'>[]): string {
  let text = message
  let folded = text.toLowerCase()
  for (const { fields } of changes)
    for (const value of valuesOf(fields)) {
      if (!folded.includes(value.toLowerCase())) continue
      const pattern = new RegExp(value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'giu')
      text = text.replace(pattern, '***')
      folded = text.toLowerCase()
    }
  return text
}

function* valuesOf(value: Json | PlannedChange['fields']): Generator<string> {
  if (typeof value === 'string' || typeof value === 'number') {
    const text = String(value)
    if (text.length < shortestValue) return
    yield text
    const escaped = JSON.stringify(text).slice(1, -1)
    if (escaped !== text) yield escaped
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) yield* valuesOf(item)
  }
}
