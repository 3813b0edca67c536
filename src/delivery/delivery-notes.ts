/** What the log says of a resolution. */
import type { DeliveryNote } from './delivery-context.ts'
import type { Resolution } from './resolve-outcome.ts'

export function noteResolution(log: (note: DeliveryNote) => void, requestId: string, resolution: Resolution): void {
  const { again, moved, exceptions, error, unknown, pause } = resolution
  if (pause !== undefined) {
    const message = `the destination asked to be left alone for ${Math.round(pause)} ms`
    log({ kind: 'pause', code: 'paused', message, requestId })
  }
  if (again !== undefined && error !== undefined) log({ kind: 'retry', ...error, requestId })
  else if (moved.length > 0 && error !== undefined) log({ kind: 'moved', ...error, requestId })
  for (const { state, code, message } of exceptions) {
    if (again === undefined && (state === 'rejected' || state === 'parked' || state === 'withdrawn'))
      log({ kind: state, code, message, requestId })
  }
  if (unknown.length > 0) {
    const message = `the reply names ${unknown.length} records that were not sent`
    log({ kind: 'reply', code: 'unknown_record', message, requestId })
  }
}
