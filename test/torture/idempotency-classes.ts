/**
 * What is promised of each idempotency class after a crash, and how a scenario asks for it in `activate.yml`. This table is the one place
 * where a class is added: the harness, the tests and `npm run torture --class` read it.
 */

export interface IdempotencyClass {
  /** The action's `idempotency` in YAML. */
  readonly yaml: string
  /** No change takes effect twice, whatever happens. */
  readonly once: boolean
  /** Nothing that may have arrived is ever sent again. */
  readonly neverResent: boolean
  /** Whether a lost answer alone may park a change for a person. */
  readonly parks: boolean
}

export const idempotencyClasses = {
  natural: { yaml: 'natural', once: false, neverResent: false, parks: false },
  keyed: { yaml: '{ header: Idempotency-Key, window: 24h }', once: true, neverResent: false, parks: false },
  none: { yaml: 'none', once: true, neverResent: true, parks: true },
} as const satisfies Record<string, IdempotencyClass>

export type ClassName = keyof typeof idempotencyClasses

export const classNames = Object.keys(idempotencyClasses) as readonly ClassName[]
