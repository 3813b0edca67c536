export interface Limiter {
  /** Takes one request's place when there is one; otherwise the milliseconds after which to ask again (0 = go). */
  take(now: number): number
  /** How many requests could be taken at this instant. */
  room(now: number): number
  /** Milliseconds until there is room again, without taking anything. */
  wait(now: number): number
  /** Nothing is taken before this instant (Retry-After); a shorter pause never shortens a longer one. */
  pause(until: number): void
}
