/** A clock for runs whose waiting is not what is looked at: its time passes so many times as fast as the world's. */
import type { Clock } from '../../src/delivery/clock.ts'
import { systemClock } from '../../src/wire.ts'

export function quickClock(times: number): Clock {
  const start = systemClock.now()
  return {
    now: () => Math.round(start + (systemClock.now() - start) * times),
    sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / times, signal),
  }
}
