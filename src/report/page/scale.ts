/** Axes: from values to places on a drawing, with marks at round numbers. Pure. */

export interface Scale {
  /** The place of a value; values beyond the ends are put at the end. */
  readonly place: (value: number) => number
  readonly ticks: readonly number[]
}

/** `from` and `to`: the places of the least and the greatest value. */
export function linearScale(least: number, greatest: number, from: number, to: number, marks: number): Scale {
  const span = greatest - least || Math.abs(greatest) || 1
  const step = roundStep(span / marks)
  const [low, high] = [Math.floor(least / step) * step, Math.ceil((least + span) / step) * step]
  const count = Math.round((high - low) / step)
  const place = (value: number) => {
    const share = (Math.min(high, Math.max(low, value)) - low) / (high - low)
    return Math.round((from + share * (to - from)) * 10) / 10
  }
  // Sums of steps would show as 0.30000000000000004.
  const ticks = Array.from({ length: count + 1 }, (_, index) => Number((low + index * step).toPrecision(12)))
  return { place, ticks }
}

/** 1, 2, 2.5 or 5 times a power of ten, and no less than `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 2.5, 5, 10].find(candidate => candidate * power >= least * 0.999999) ?? 10
  return factor * power
}
