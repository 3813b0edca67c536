/**
 * The statistics against reference values (R, statsmodels, 40-digit arithmetic, published tables), each with its own tolerance.
 * The file of all cases lives beside the project, like the data; the ones below are always run.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { unitInterval } from '../../../src/plan/policies/assignment.ts'
import { ActivateError } from '../../../src/project/problem.ts'
import { type Count, type Moments, merge } from '../../../src/report/stats/aggregates.ts'
import { critical, mixtureRhoSquared, pValue } from '../../../src/report/stats/boundary.ts'
import { adjusted } from '../../../src/report/stats/cuped.ts'
import {
  betaQuantile,
  chiSquareUpper,
  normalUpper,
  normalUpperQuantile,
  tUpper,
  tUpperQuantile,
} from '../../../src/report/stats/distributions.ts'
import { costPerIncremental, incremental } from '../../../src/report/stats/incremental.ts'
import { compareMeans } from '../../../src/report/stats/means.ts'
import { benjaminiHochberg, holm } from '../../../src/report/stats/multiplicity.ts'
import { detectableMean, detectableShare, powerOfShares } from '../../../src/report/stats/power.ts'
import { compareProportions } from '../../../src/report/stats/proportions.ts'
import { effectVariances, quotientOfEffects } from '../../../src/report/stats/quotient-of-effects.ts'
import { ratioOf } from '../../../src/report/stats/ratio-metrics.ts'
import { logBayesFactor, sampleRatio, sequentialSampleRatio } from '../../../src/report/stats/sample-ratio.ts'
import { clopperPearson, wilson } from '../../../src/report/stats/single-share.ts'
import { liftOfMeans } from '../../../src/report/stats/skew-fieller.ts'
import { postStratified } from '../../../src/report/stats/stratified.ts'
import { agrestiCaffo, deltaRelative, fisherExact, newcombe, wald } from './comparators.ts'
import { heavyRevenue, moments, paired, range, withCovariate } from './samples.ts'

// biome-ignore lint/suspicious/noExplicitAny: inputs and answers of the cases have as many shapes as there are functions
type Figures = any

interface Case {
  readonly id: string
  readonly fn: string
  readonly inputs: Figures
  readonly expected: Readonly<Record<string, unknown>>
  readonly tolerance: { readonly rel: number; readonly abs: number }
}

const fixed = (inputs: Figures) => ({ kind: 'fixed', alpha: 1 - (inputs.confidence ?? 0.95) }) as const

/** The moments of an arm, in whichever way a case gives them; without skew the methods are the classic ones. */
function arm(inputs: Figures, side: 'treatment' | 'control', skewed = false): Moments {
  const given = inputs[side]
  const values =
    inputs.generator === undefined ? given.values : heavyRevenue[side === 'treatment' ? 'treated' : 'control']
  if (values !== undefined) return skewed ? moments(values) : { ...moments(values), m3: 0 }
  const sum = given.sum ?? given.mean * given.n
  const m2 = given.sumSquares === undefined ? given.variance * (given.n - 1) : given.sumSquares - sum ** 2 / given.n
  return { n: given.n, nonZero: given.n, sum, m2, m3: 0 }
}

const arms = (inputs: Figures, skewed = false) =>
  [arm(inputs, 'treatment', skewed), arm(inputs, 'control', skewed)] as const

function means(inputs: Figures, skewed: boolean): Figures {
  const [treated, control] = arms(inputs, skewed)
  const lift = compareMeans(treated, control, fixed(inputs), 0)
  if (lift.kind !== 'estimated') return stated(lift)
  const pooledVariance = (treated.m2 + control.m2) / (treated.n + control.n - 2)
  const se = Math.sqrt(treated.m2 / (treated.n - 1) / treated.n + control.m2 / (control.n - 1) / control.n)
  const skewA = (lift.skew * (1 / treated.n ** 2 - 1 / control.n ** 2)) / (1 / treated.n + 1 / control.n) ** 1.5
  const figures = { ...lift.absolute, se, df: lift.df, pValue: lift.pValue, pooledVariance }
  return skewed ? { ...figures, skewA, adjustedT: lift.statistic } : { ...figures, t: lift.statistic }
}

function relativeMeans(inputs: Figures, skewed: boolean): Figures {
  const [treated, control] = arms(inputs, skewed)
  const lift = compareMeans(treated, control, fixed(inputs), 0)
  if (lift.kind !== 'estimated' || lift.relative.kind !== 'estimated') throw new Error('not estimated')
  const g = (lift.critical ** 2 * control.m2) / (control.n - 1) / control.n / (control.sum / control.n) ** 2
  return { ...lift.relative, g, pooledSkew: lift.skew, gAtR1: lift.statistic }
}

/** The answer in the words of the cases. */
function stated(answer: Figures): Figures {
  if (answer.kind === 'not_estimable') return { ...answer, ...answer.interval, status: answer.kind }
  return answer
}

function proportions(treated: Count, control: Count, inputs: Figures): Figures {
  const lift = compareProportions(treated, control, fixed(inputs), 0)
  if (lift.kind !== 'estimated') return stated(lift)
  return { ...lift.absolute, z: lift.statistic, pValue: lift.pValue }
}

const boundaryOf = ({ alpha, nStar }: Figures) => ({ kind: 'sequential', alpha, plannedUnits: nStar }) as const

const perUnit = ({ n, meanY, meanD, varY, varD, covYD }: Figures) => ({
  ...{ n, sumX: n * meanD, sumY: n * meanY },
  ...{ mxx: varD * (n - 1), myy: varY * (n - 1), mxy: covYD * (n - 1) },
})

const ratioArm = ({ n, k }: { n: number; k: number }) => {
  const d = range(n).map(i => 1 + ((13 * i) % 5))
  return paired(
    d,
    range(n).map((i, at) => (d[at] ?? 0) * ((11 * i + k) % 7) + ((5 * i) % 3)),
  )
}

const cupedArm = ({ n, k, tau }: { n: number; k: number; tau: number }) => {
  const x = range(n).map(i => (17 * i + k) % 23)
  return withCovariate(
    x,
    range(n).map((i, at) => 0.8 * (x[at] ?? 0) + ((29 * i + 2 * k) % 13) + tau),
  )
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** By function of the cases, what answers them. */
const answers: Readonly<Record<string, (inputs: Figures) => Figures>> = {
  qnorm: ({ p }) => ({ value: -normalUpperQuantile(p) }),
  pnorm: ({ x }) => ({ value: normalUpper(-x) }),
  qt: ({ p, df }) => ({ value: tUpperQuantile(1 - p, df) }),
  ptUpper: ({ t, df }) => ({ value: tUpper(t, df) }),
  pchisqUpper: ({ x, df }) => ({ value: chiSquareUpper(x, df) }),
  qbeta: ({ p, a, b }) => ({ value: betaQuantile(p, a, b) }),
  wilson: inputs => wilson(inputs, fixed(inputs).alpha),
  clopperPearson: inputs => clopperPearson(inputs, fixed(inputs).alpha),
  'diffProportions.newcombe': inputs => newcombe(inputs.treatment, inputs.control, fixed(inputs).alpha),
  'diffProportions.agrestiCaffo': inputs => agrestiCaffo(inputs.treatment, inputs.control, fixed(inputs).alpha),
  'diffProportions.miettinenNurminen': inputs => proportions(inputs.treatment, inputs.control, inputs),
  'relativeLiftProportions.miettinenNurminen': inputs => {
    const lift = compareProportions(inputs.treatment, inputs.control, fixed(inputs), 0)
    return lift.kind === 'estimated' ? stated(lift.relative) : stated(lift)
  },
  fisherExact: ({ table }) => ({ pValue: fisherExact(table) }),
  'diffMeans.welch': inputs => means(inputs, false),
  'diffMeans.skewAdjustedWelch': inputs => means(inputs, true),
  'relativeLiftMeans.fieller': inputs => relativeMeans(inputs, false),
  'relativeLiftMeans.skewFieller': inputs => relativeMeans(inputs, true),
  'relativeLiftMeans.delta': inputs => {
    const [treated, control] = arms(inputs)
    const { df } = means(inputs, false)
    const effect = deltaRelative(treated, control, tUpperQuantile(fixed(inputs).alpha / 2, df))
    return { ...effect, pValue: 2 * tUpper(Math.abs(effect.estimate / effect.se), df) }
  },
  moments: inputs => {
    if (inputs.values !== undefined) {
      const one = (value: number) => moments([value])
      const { n, sum, m2 } = (inputs.values as number[]).map(one).reduce(merge)
      return { mean: sum / n, variance: m2 / (n - 1) }
    }
    const [treated, control] = arms(inputs, true)
    return {
      ...{ control: rawMoments(control), treatment: rawMoments(treated) },
      ...{ controlPurchasers: control.nonZero, treatmentPurchasers: treated.nonZero },
      ...{ maxControl: Math.max(...heavyRevenue.control), maxTreatment: Math.max(...heavyRevenue.treated) },
    }
  },
  'ratioMetric.delta': inputs => {
    const [treated, control] = [ratioArm(inputs.generator.treatment), ratioArm(inputs.generator.control)]
    const [t, c] = [ratioOf(treated), ratioOf(control)]
    // The case is the paper's; our variant straightens the same residuals besides, and takes fewer degrees of freedom.
    const information = { units: treated.n + control.n, df: Number.POSITIVE_INFINITY }
    const lift = liftOfMeans({ treated: t, withheld: c, skewness: () => 0, information }, fixed(inputs))
    return {
      ...{ treatmentRatio: t.mean, controlRatio: c.mean },
      ...{ treatmentVar: t.variance * treated.n, controlVar: c.variance * control.n },
      ...{ ...lift.absolute, se: Math.sqrt(t.variance + c.variance) },
    }
  },
  cuped: inputs => {
    if (inputs.generator === undefined) {
      const flat = adjusted(withCovariate([1, 1, 1], [1, 2, 3]), withCovariate([1, 1], [2, 5]))
      return { theta: flat.theta, status: flat.reduction === 0 ? 'unadjusted' : 'adjusted' }
    }
    const before = [cupedArm(inputs.generator.treatment), cupedArm(inputs.generator.control)] as const
    const { theta, treated, withheld, reduction } = adjusted(...before)
    // The case is Welch's; our variant straightens the same residuals besides.
    const lift = means(
      { ...inputs, treatment: summary(treated), control: summary(withheld), generator: undefined },
      false,
    )
    const raw = means({ treatment: summary(before[0]), control: summary(before[1]) }, false)
    return { ...lift, theta, seReduction: reduction, unadjusted: { estimate: raw.estimate, se: raw.se } }
  },
  postStratified: ({ strata, confidence }) =>
    postStratified(
      strata.map((stratum: Figures) => ({ treated: stratum.treatment, withheld: stratum.control })),
      1 - confidence,
    ),
  // Howard's ρ is the variance at which his boundary is tightest over ours: N*/(N*ρ²).
  'asympCs.howardRho': ({ vOpt, alpha }) => ({ rho: 1 / mixtureRhoSquared(alpha, vOpt) }),
  'asympCs.multiplier': inputs => ({
    rho: Math.sqrt(mixtureRhoSquared(inputs.alpha, inputs.nStar)),
    multiplier: critical(boundaryOf(inputs), { units: inputs.n, df: Number.POSITIVE_INFINITY }),
  }),
  'asympCs.relativeDelta': inputs => {
    const [treated, control] = arms(inputs)
    const units = { units: treated.n + control.n, df: Number.POSITIVE_INFINITY }
    return deltaRelative(treated, control, critical(boundaryOf(inputs), units))
  },
  'asympCs.diffProportions': inputs => {
    const boundary = boundaryOf(inputs)
    const information = { units: inputs.treatment.n + inputs.control.n, df: Number.POSITIVE_INFINITY }
    const lift = compareProportions(inputs.treatment, inputs.control, boundary)
    if (lift.kind !== 'estimated') return lift
    const usual = wald(inputs.treatment, inputs.control, lift.critical)
    return {
      ...{ estimate: lift.absolute.estimate, multiplier: lift.critical, seWald: usual.se },
      ...{ seScore: lift.absolute.estimate / lift.statistic, lowerWald: usual.lower, upperWald: usual.upper },
      ...{ alwaysValidP: pValue(boundary, lift.statistic, information) },
    }
  },
  'assign.sha256_52': ({ salt, unitId }) => {
    const u = unitInterval(sha256, salt, unitId)
    return {
      ...{ sha256Prefix13: sha256(`${salt}:${unitId}`).slice(0, 13), int52: String(u * 2 ** 52), u },
      ...{ bucket10000: Math.floor(u * 10_000), inHoldout5pct: u < 0.05 },
    }
  },
  'assign.sha256_52.nested': ({ salt, thresholds }) => {
    const users = range(20).map(i => `user_${i}`)
    const below = (share: number) => users.filter(user => unitInterval(sha256, salt, user) < share)
    return { members: Object.fromEntries(thresholds.map((share: number) => [share, below(share)])) }
  },
  'srm.chiSquare': ({ observed, weights }) => {
    const answer = sampleRatio(observed, weights)
    if (answer.kind !== 'estimated') return answer
    if (answer.method === 'impossible')
      return { status: 'fail', reason: 'units_in_zero_weight_arm', pValue: answer.pValue }
    const units = observed.reduce((sum: number, n: number) => sum + n, 0)
    const statistic = observed.reduce(
      (sum: number, n: number, at: number) => sum + (n - units * weights[at]) ** 2 / (units * weights[at]),
      0,
    )
    return { statistic, df: observed.length - 1, pValue: answer.pValue }
  },
  'srm.exactBinomial': ({ observed, weights }) => sampleRatio(observed, weights),
  'srm.sequential': ({ observed, weights, prior }) => ({
    ...sequentialSampleRatio([observed], weights, prior),
    logBayesFactor: logBayesFactor(observed, weights, prior),
  }),
  'mde.proportion': ({ baseline, nTreatment, nControl, alpha, power, direction }) => {
    const effect = detectableShare(baseline, { treated: nTreatment, withheld: nControl }, { alpha, power }, direction)
    return effect.kind === 'estimated' ? { mdeAbsolute: effect.absolute, mdeRelative: effect.relative } : effect
  },
  'mde.mean': ({ sd, nTreatment, nControl, alpha, power }) => ({
    mde: detectableMean(sd, { treated: nTreatment, withheld: nControl }, { alpha, power }),
  }),
  'power.proportion': ({ pTreatment, pControl, nTreatment, nControl, alpha }) => ({
    power: powerOfShares(pTreatment, pControl, { treated: nTreatment, withheld: nControl }, alpha),
  }),
  adjustPValues: ({ p }) => ({
    bonferroni: p.map((one: number) => Math.min(1, one * p.length)),
    holm: holm(p),
    bh: benjaminiHochberg(p),
  }),
  costPerIncremental: inputs => {
    const lift = compareProportions(inputs.treatment, inputs.control, fixed(inputs))
    if (lift.kind !== 'estimated') return lift
    const gained = incremental(lift.absolute, inputs.treatment.n)
    const cost = costPerIncremental(gained, inputs.totalCost)
    if (cost.kind !== 'estimated') return cost
    return {
      ...{ incrementalCustomers: gained.estimate, incrementalLower: gained.lower, incrementalUpper: gained.upper },
      ...{ ...cost, costPerIncremental: cost.estimate },
    }
  },
  revenuePerIncremental: inputs => {
    const bought = (values: readonly number[]) =>
      paired(
        values.map(value => (value > 0 ? 1 : 0)),
        values,
      )
    const [treated, control] = [bought(heavyRevenue.treated), bought(heavyRevenue.control)]
    const { vx, vy, vxy } = effectVariances(treated, control)
    const answer = quotientOfEffects(treated, control, fixed(inputs).alpha)
    const deltaConversion = treated.sumX / treated.n - control.sumX / control.n
    return {
      ...stated(answer),
      ...{ deltaRevenue: treated.sumY / treated.n - control.sumY / control.n, deltaConversion },
      ...{ varRevenue: vy, varConversion: vx, covariance: vxy },
      g: (normalUpperQuantile(fixed(inputs).alpha / 2) ** 2 * vx) / deltaConversion ** 2,
      status: answer.kind === 'not_estimable' && answer.reason === 'denominator_near_zero' ? 'unbounded' : answer.kind,
    }
  },
  'cace.wald': inputs => {
    const answer = quotientOfEffects(perUnit(inputs.treatment), perUnit(inputs.control), 0.05)
    if (answer.kind !== 'estimated') return answer
    return { ...answer, itt: answer.effectOnY, complianceDifference: answer.effectOnX }
  },
}

/** Of an arm that is summed up already. */
const summary = ({ n, sum, m2 }: Moments) => ({ n, mean: sum / n, variance: m2 / (n - 1) })

/** Sums of powers from centred moments, the wrong way about, for the cases that give them. */
function rawMoments({ n, sum, m2, m3 }: Moments): Figures {
  const mean = sum / n
  return { n, sum, sumSquares: m2 + n * mean ** 2, sumCubes: m3 + 3 * mean * m2 + n * mean ** 3 }
}

/** Cases of functions that are no part of `report/stats`, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  winsorCap: 'a percentile is computed in the warehouse: test/report/outcome-sql.test.ts',
  'assign.growthbookV2': 'another tool’s hash, which this one never draws with',
}

/** Fails unless the answer to the case is within its tolerance. */
function check({ id, fn, inputs, expected, tolerance }: Case): void {
  const answer = answers[fn]
  if (answer === undefined) throw new Error(`${id}: nothing answers ${fn}`)
  if (expected.status === 'error') {
    expect(() => answer(inputs), id).toThrow(ActivateError)
    return
  }
  const got = answer(inputs)
  for (const [name, value] of Object.entries(expected)) agree(got[name], value, tolerance, `${id} ${name}`)
}

function agree(got: Figures, value: unknown, tolerance: Case['tolerance'], what: string): void {
  if (value === null) {
    expect(Number.isFinite(got), `${what} must not be a number, and is ${got}`).toBe(false)
  } else if (typeof value === 'object') {
    for (const [name, part] of Object.entries(value)) agree(got[name], part, tolerance, `${what}.${name}`)
  } else if (typeof value === 'number') {
    const allowed = tolerance.abs + tolerance.rel * Math.abs(value)
    expect(Math.abs(got - value), `${what}: ${got} instead of ${value}`).toBeLessThanOrEqual(allowed)
  } else {
    expect(got, what).toBe(value === '+Infinity' ? Number.POSITIVE_INFINITY : value)
  }
}

const file =
  process.env.ACTIVATE_STATISTICS_CASES ?? join(import.meta.dirname, '../../../../shared/facts/statistics-cases.json')
const cases: readonly Case[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).cases : []

test.skipIf(cases.length === 0)('every reference case has an answer, or a reason not to', () => {
  const unanswered = cases.map(({ fn }) => fn).filter(fn => !(fn in answers) && !(fn in elsewhere))
  expect(unanswered).toEqual([])
})

test.skipIf(cases.length === 0).each(cases.filter(({ fn }) => fn in answers).map(one => [one.id, one] as const))(
  'agrees with the reference %s',
  (_, one) => check(one),
)

/** Some of them by heart, so that a checkout without the file still meets references. */
const inlined: readonly Case[] = [
  {
    id: 'Miettinen and Nurminen, 95 : 5',
    fn: 'diffProportions.miettinenNurminen',
    inputs: { treatment: { x: 5100, n: 99_000 }, control: { x: 45, n: 1000 } },
    expected: {
      ...{ lower: -0.008223736967530457, upper: 0.017811735076195438 },
      ...{ z: 0.9279341160622652, pValue: 0.3534417462427871 },
    },
    tolerance: { rel: 1e-8, abs: 1e-8 },
  },
  {
    id: 'the ratio of the same test',
    fn: 'relativeLiftProportions.miettinenNurminen',
    inputs: { treatment: { x: 5100, n: 99_000 }, control: { x: 45, n: 1000 } },
    expected: { estimate: 0.1447811447811449, lower: -0.137939714972921, upper: 0.5260073913485304 },
    tolerance: { rel: 1e-7, abs: 1e-7 },
  },
  {
    id: 'Welch (R t.test)',
    fn: 'diffMeans.welch',
    inputs: {
      treatment: { values: [12.1, 14.3, 9.8, 15.2, 11.7, 13.9, 10.4] },
      control: { values: [9.1, 11.2, 8.7, 10.9] },
    },
    expected: {
      df: 8.826719205229576,
      pValue: 0.03310072060858918,
      lower: 0.2524689305580585,
      upper: 4.768959640870521,
    },
    tolerance: { rel: 1e-9, abs: 1e-9 },
  },
  {
    id: 'skew-adjusted Welch on heavy revenue',
    fn: 'diffMeans.skewAdjustedWelch',
    inputs: { generator: 'heavy' },
    expected: {
      ...{ adjustedT: 1.0835544084402635, pValue: 0.27901422231947504 },
      ...{ lower: -1.7580862536025483, upper: 3.5655240571309594 },
    },
    tolerance: { rel: 1e-9, abs: 1e-9 },
  },
  {
    id: 'skew-Fieller on heavy revenue',
    fn: 'relativeLiftMeans.skewFieller',
    inputs: { generator: 'heavy' },
    expected: { lower: -0.16896004312623758, upper: 0.685776435087394 },
    tolerance: { rel: 1e-8, abs: 1e-8 },
  },
  {
    id: 'a sample ratio (Kohavi, Tang and Xu 2020, chapter 21)',
    fn: 'srm.chiSquare',
    inputs: { observed: [821_588, 815_482], weights: [0.5, 0.5] },
    expected: { pValue: 0.000001821792872619186 },
    tolerance: { rel: 1e-8, abs: 0 },
  },
  {
    id: 'the far tail of Student’s t (R pt)',
    fn: 'ptUpper',
    inputs: { t: 10, df: 30 },
    expected: { value: 2.2876257041148064e-11 },
    tolerance: { rel: 1e-10, abs: 0 },
  },
  {
    id: 'the boundary of a sequence',
    fn: 'asympCs.multiplier',
    inputs: { n: 1000, nStar: 5000, alpha: 0.05 },
    expected: { multiplier: 3.363887725782781 },
    tolerance: { rel: 1e-9, abs: 1e-9 },
  },
]

test.each(inlined.map(one => [one.id, one] as const))('agrees with the reference of %s', (_, one) => check(one))
