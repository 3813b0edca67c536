/** Seeded chance, and how much of it a simulation has to allow for. */
import { binomialUpper } from '../../src/report/stats/distributions.ts'

/** Uniform in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Box and Muller. */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/**
 * Whether so many misses can be those of a method that misses with this chance: a sound one is refused once in a thousand. With few repetitions
 * only a method that is badly wrong is found out; the number of repetitions is part of every figure.
 */
export function isWithin(misses: number, repetitions: number, chance: number): boolean {
  return misses === 0 || binomialUpper(misses, repetitions, chance) > 0.001
}
