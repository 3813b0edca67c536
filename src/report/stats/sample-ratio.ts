/**
 * Whether arms are as large as they were drawn to be. A mismatch says that units were lost or gained after the draw, and that no
 * lift can be trusted (Fabijan et al., "Diagnosing sample ratio mismatch", KDD 2019). A small holdout can lose 5 % of its
 * units unseen here: `assignment-audit.ts` sees each.
 */
import { type Answer, estimated, notEstimable } from './answer.ts'
import { demand, isCount } from './demand.ts'
import { binomialLower, binomialUpper, chiSquareUpper } from './distributions.ts'
import { binomialWeight, lnGamma } from './special-functions.ts'

/**
 * Alarm below these: a mismatch is a defect of the pipeline, and a false alarm stops people from trusting true ones. `nightly`: for a χ²
 * that is looked at every night, where 0.001 would be undercut by chance in 1.4 % of sound experiments of 90 nights.
 */
export const sampleRatioLevels = { once: 0.001, nightly: 0.00001, sequential: 0.01 } as const

export interface SampleRatio {
  readonly verdict: 'plausible' | 'mismatch'
  /** In [0, 1]. */
  readonly pValue: number
  /** `impossible`: there are units in an arm that nobody is drawn into. */
  readonly method: 'chi_square' | 'exact' | 'sequential' | 'impossible'
}

/**
 * One look at counts per arm against the weights of the draw: χ², and exact binomial probabilities (R's `binom.test`), arm
 * against rest and times the number of arms, when fewer than 5 are expected somewhere. `not_estimable` when there are no
 * units. Throws A8510 unless counts are whole and weights sum to 1.
 */
export function sampleRatio(observed: readonly number[], weights: readonly number[]): Answer<SampleRatio> {
  const arms = drawn(observed, weights)
  if (arms === 'impossible') return estimated(impossible)
  const units = arms.reduce((total, { n }) => total + n, 0)
  if (units === 0) return notEstimable('empty_arm')
  if (arms.length === 1) return estimated({ verdict: 'plausible', pValue: 1, method: 'exact' })
  const exact = arms.some(({ weight }) => units * weight < 5)
  const pValue = exact ? exactPValue(arms, units) : chiSquareUpper(chiSquare(arms, units), arms.length - 1)
  const verdict = pValue < sampleRatioLevels.once ? 'mismatch' : 'plausible'
  return estimated({ verdict, pValue, method: exact ? 'exact' : 'chi_square' })
}

/**
 * Any number of looks, each with all units so far, oldest first (Lindon and Malek, "Anytime-valid inference for multinomial count
 * data", NeurIPS 2022, arXiv 2011.03567). `prior`: of the Dirichlet distribution, by default 10,000 times the weights.
 */
export function sequentialSampleRatio(
  looks: readonly (readonly number[])[],
  weights: readonly number[],
  prior: readonly number[] = weights.map(weight => weight * 10_000),
): Answer<SampleRatio> {
  if (looks.some(observed => drawn(observed, weights) === 'impossible')) return estimated(impossible)
  if (looks.every(observed => observed.every(n => n === 0))) return notEstimable('empty_arm')
  const evidence = Math.max(0, ...looks.map(observed => logBayesFactor(observed, weights, prior)))
  const pValue = Math.exp(-evidence)
  const verdict = pValue < sampleRatioLevels.sequential ? 'mismatch' : 'plausible'
  return estimated({ verdict, pValue, method: 'sequential' })
}

/** ln of how much likelier the counts are under any weights (Dirichlet) than under those of the draw. */
export function logBayesFactor(
  observed: readonly number[],
  weights: readonly number[],
  prior: readonly number[],
): number {
  const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0)
  const at = (numbers: readonly number[], index: number) => numbers[index] ?? 0
  const free = weights.flatMap((weight, index) => (weight > 0 ? [index] : []))
  const priors = free.map(index => at(prior, index))
  const terms = free.map(
    index =>
      lnGamma(at(prior, index) + at(observed, index)) -
      lnGamma(at(prior, index)) -
      at(observed, index) * Math.log(at(weights, index)),
  )
  return lnGamma(total(priors)) - lnGamma(total(priors) + total(observed)) + total(terms)
}

interface Drawn {
  readonly n: number
  readonly weight: number
}

const impossible: SampleRatio = { verdict: 'mismatch', pValue: 0, method: 'impossible' }

/** Arms that somebody is drawn into. */
function drawn(observed: readonly number[], weights: readonly number[]): readonly Drawn[] | 'impossible' {
  demand(observed.length === weights.length, 'there must be one weight for each arm')
  demand(observed.every(isCount), `units must be whole and not negative, and are ${observed.join(', ')}`)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const sound = weights.every(weight => weight >= 0) && Math.abs(sum - 1) < 1e-9
  demand(sound, `weights must not be negative and sum to 1, and are ${weights.join(', ')}`)
  const arms = observed.map((n, index) => ({ n, weight: weights[index] ?? 0 }))
  if (arms.some(({ n, weight }) => weight === 0 && n > 0)) return 'impossible'
  return arms.filter(({ weight }) => weight > 0)
}

function chiSquare(arms: readonly Drawn[], units: number): number {
  return arms.reduce((sum, { n, weight }) => sum + (n - units * weight) ** 2 / (units * weight), 0)
}

function exactPValue(arms: readonly Drawn[], units: number): number {
  const least = Math.min(...arms.map(({ n, weight }) => binomialPValue(n, units, weight)))
  return Math.min(1, arms.length === 2 ? least : least * arms.length)
}

/** Two-sided: of all counts that are no likelier than this one. Ties are counted in as R does. */
export function binomialPValue(k: number, n: number, p: number): number {
  const limit = probability(k, n, p) * (1 + 1e-7)
  const unlikely = (count: number) => probability(count, n, p) <= limit
  const mode = Math.floor((n + 1) * p)
  if (k <= mode && k >= mode) return 1
  if (k < mode) {
    const other = firstOf(mode, n + 1, unlikely)
    return Math.min(1, binomialLower(k, n, p) + binomialUpper(other, n, p))
  }
  const other = n - firstOf(n - mode, n + 1, mirrored => unlikely(n - mirrored))
  return Math.min(1, binomialUpper(k, n, p) + binomialLower(other, n, p))
}

/** The first count from `from` on that is unlikely, or `to`: probabilities fall from the mode on, so halving finds it. */
function firstOf(from: number, to: number, unlikely: (count: number) => boolean): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (unlikely(middle)) high = middle
    else low = middle + 1
  }
  return low
}

function probability(k: number, n: number, p: number): number {
  if (k === 0) return Math.exp(n * Math.log1p(-p))
  return k === n ? p ** n : binomialWeight(k, n - k, p, 1 - p)
}
