import type { Clock } from './clock.ts'

/** One alarm at a time, for the earliest of what is waited for. */
export interface Alarm {
  /** True when this is now what is waited for; false when something earlier was already. */
  set(at: number): boolean
  cancel(): void
}

/** `ring` is called when the time has come; `run` starts the waiting and answers for its failure. */
export function createAlarm(clock: Clock, ring: () => void, run: (waiting: Promise<void>) => void): Alarm {
  let current: { readonly at: number; readonly controller: AbortController } | undefined

  async function wait(alarm: NonNullable<typeof current>): Promise<void> {
    await clock.sleep(Math.ceil(alarm.at - clock.now()), alarm.controller.signal)
    if (current !== alarm) return
    current = undefined
    ring()
  }

  return {
    set(at) {
      if (current !== undefined && current.at <= at) return false
      current?.controller.abort()
      current = { at, controller: new AbortController() }
      run(wait(current))
      return true
    },
    cancel() {
      const cancelled = current
      current = undefined
      cancelled?.controller.abort()
    },
  }
}
