/**
 * Chance that can be repeated. A stream of draws is named by a seed and any number of labels (`seededRandom(7, 'orders',
 * 42)`), so that each part of the sample world has its own stream and no part's length changes another's numbers.
 */

/** Draws in [0, 1). */
export type Random = () => number

/** FNV-1a over the labels' text, finished with the mixer of MurmurHash3; 32 bits. */
function hashLabels(labels: readonly (string | number)[]): number {
  let hash = 0x811c9dc5
  const text = labels.join('\u001f')
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The generator mulberry32 (T. Ettinger, public domain): 32 bits of state, good enough for a sample and for faults. */
export function seededRandom(...labels: readonly (string | number)[]): Random {
  let state = hashLabels(labels)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Waiting time until the next event of a process that has, on average, one per `mean`. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean
}

/** Standard normal, by Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Gamma with this shape and rate, by Marsaglia and Tsang (2000). */
export function gamma(random: Random, shape: number, rate: number): number {
  if (shape < 1) return gamma(random, shape + 1, rate) * (1 - random()) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v) / rate
  }
}

export function beta(random: Random, a: number, b: number): number {
  const left = gamma(random, a, 1)
  return left / (left + gamma(random, b, 1))
}

/** One of the choices, each as likely as its weight says. */
export function weighted<Choice>(random: Random, choices: readonly (readonly [Choice, number])[]): Choice {
  const total = choices.reduce((sum, [, weight]) => sum + weight, 0)
  let left = random() * total
  for (const [choice, weight] of choices) {
    left -= weight
    if (left < 0) return choice
  }
  throw new RangeError('weighted needs at least one choice with a weight above zero')
}

export function pick<Choice>(random: Random, choices: readonly Choice[]): Choice {
  const choice = choices[Math.floor(random() * choices.length)]
  if (choice === undefined) throw new RangeError('pick needs at least one choice')
  return choice
}
