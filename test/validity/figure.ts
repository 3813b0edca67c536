/** A line of the table that `npm run validity` prints. */
import { isWithin } from './chance.ts'

export interface Figure {
  readonly what: string
  readonly misses: number
  readonly repetitions: number
  /** Known without repetitions, or no share of them; then this is what the bound is of. */
  readonly exact?: number
  /** The share of misses that is promised at most; for what is known to fail, the share above which it does. Undefined of what is only told. */
  readonly bound: number | undefined
  readonly mustFail: boolean
  readonly holds: boolean
}

export function figure(
  what: string,
  misses: number,
  repetitions: number,
  bound: number | undefined,
  mustFail = false,
): Figure {
  const held = () => (mustFail ? misses / repetitions > (bound ?? 0) : isWithin(misses, repetitions, bound ?? 1))
  return { what, misses, repetitions, bound, mustFail, holds: bound === undefined || held() }
}

/** Of what needs no repetitions. */
export function exactly(what: string, exact: number, bound: number): Figure {
  return { what, misses: 0, repetitions: 0, exact, bound, mustFail: false, holds: exact <= bound }
}

export function row({ what, misses, repetitions: of, exact, bound, mustFail, holds }: Figure): string {
  const counts =
    exact === undefined
      ? `${misses} | ${of} | ${of === 0 ? '–' : (misses / of).toFixed(4)}`
      : `– | – | ${exact.toPrecision(3)}`
  const limit =
    bound === undefined ? 'told' : mustFail ? `> ${bound}, as is known` : `≤ ${Number(bound.toPrecision(3))}`
  return `| ${what} | ${counts} | ${limit} | ${holds ? 'holds' : '**broken**'} |`
}
