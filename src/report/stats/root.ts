/**
 * The root of a function within a bracket: inverse quadratic interpolation where that is safe, bisection elsewhere
 * (Chandrupatla, "A new hybrid quadratic/bisection algorithm", Advances in Engineering Software 28, 1997).
 */
import { notConverged } from './demand.ts'

/** Halving from 1 to the least double takes 1075 steps. */
const limit = 2200

/**
 * `f` has opposite signs at `from` and `to` (0 counts as either), is continuous between them, and may be infinite but
 * never NaN. The answer is as exact as doubles are: within a few units in the last place. Throws A8511 when there is no
 * such bracket.
 */
export function findRoot(f: (x: number) => number, from: number, to: number): number {
  let [a, b] = [from, to]
  let [fa, fb] = [f(a), f(b)]
  if (fa === 0) return a
  if (fb === 0) return b
  if (!(Math.sign(fa) === -Math.sign(fb))) throw notConverged('a root search without a bracket', [from, to, fa, fb])
  let t = 0.5
  for (let step = 0; step < limit; step++) {
    const x = a + t * (b - a)
    const fx = f(x)
    let [c, fc] = [a, fa]
    if (Math.sign(fx) !== Math.sign(fa)) [c, fc, b, fb] = [b, fb, a, fa]
    ;[a, fa] = [x, fx]
    const [best, least] = Math.abs(fa) < Math.abs(fb) ? [a, fa] : [b, fb]
    const tolerance = (2 * Number.EPSILON * Math.abs(best) + Number.MIN_VALUE) / Math.abs(b - a)
    if (least === 0 || tolerance > 0.5 || a === b) return best
    t = Math.min(1 - tolerance, Math.max(tolerance, interpolated([a, fa], [b, fb], [c, fc])))
  }
  throw notConverged('a root search', [from, to])
}

type Point = readonly [x: number, fx: number]

/** Where between `a` and `b` the next guess is; the middle when the three points do not look like a parabola. */
function interpolated([a, fa]: Point, [b, fb]: Point, [c, fc]: Point): number {
  const xi = (a - b) / (c - b)
  const phi = (fa - fb) / (fc - fb)
  const smooth = phi ** 2 < xi && (1 - phi) ** 2 < 1 - xi
  if (!smooth) return 0.5
  return (fa / (fb - fa)) * (fc / (fb - fc)) + ((c - a) / (b - a)) * (fa / (fc - fa)) * (fb / (fc - fb))
}
