/**
 * `npm run validity -- --programmes 4 --repetitions 2000 --seed 1`: whether intervals hold what they promise, by programmes whose lifts are known. Ends
 * with 1 when a figure is out of its bounds.
 */
import { parseArgs } from 'node:util'
import { realSpending } from './customers.ts'
import { draws } from './draws.ts'
import { type Figure, figure, row } from './figure.ts'
import { type Life, liveProgramme } from './programme.ts'
import {
  bootstrapped,
  peekedRevenue,
  quotientsWithoutEffect,
  revenueWithEffects,
  revenueWithoutEffect,
} from './revenue.ts'
import { exactCoverage, peekedShares, sampleRatios, singleLookShares } from './sums.ts'

const { values } = parseArgs({
  options: {
    /** Each has six syncs of each lift. */
    programmes: { type: 'string', default: '4' },
    repetitions: { type: 'string', default: '2000' },
    nights: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const [programmes = 0, repetitions = 0, nights = 0, seed = 0] = [
  values.programmes,
  values.repetitions,
  values.nights,
  values.seed,
].map(Number)
if (![programmes, repetitions, nights, seed].every(Number.isSafeInteger) || nights < 6)
  throw new TypeError('--programmes, --repetitions, --nights (at least 6) and --seed are whole numbers')

const began = performance.now()
const elapsed = () => Math.round((performance.now() - began) / 1000)
/** In one programme, for each lift. */
const syncsOfEach = 6
const kinds = [0, 0.03, 0.12, -0.08]
const lifts = kinds.flatMap(lift => Array.from({ length: syncsOfEach }, () => lift))
const lives: Life[] = []
for (let index = 0; index < programmes; index++) {
  const plan = { seed: seed + index, lifts, nights, perNight: 120, lookEvery: 3 }
  const told = (night: number) => {
    if (night % 5 === 4) console.error(`programme ${index + 1}, night ${night + 1}, ${elapsed()} s`)
  }
  lives.push(...(await liveProgramme(plan, told)))
}

const figures = [...programmeFigures(lives), ...sumFigures()]
console.log('| what | misses | of | share | bound | |\n|---|--:|--:|--:|--:|---|')
for (const each of figures) console.log(row(each))
const alarms = lives.flatMap(({ falseAlarms }) => falseAlarms)
console.log(
  `\n${lives.length} syncs of ${programmes} programmes with ${nights} nights; false alarms of checks: ${alarms.length}. ${elapsed()} s.`,
)
for (const alarm of new Set(alarms)) console.log(`- ${alarm}`)
if (figures.some(({ holds }) => !holds)) process.exitCode = 1

function programmeFigures(all: readonly Life[]): readonly Figure[] {
  if (all.length === 0) return []
  const share = (what: string, some: readonly Life[], is: (life: Life) => boolean, bound: number): Figure =>
    figure(what, some.filter(is).length, some.length, bound)
  const of = (lift: number) => all.filter(life => life.lift === lift)
  const large = of(0.12)
  return [
    share('programmes: the interval of the difference misses the truth at any look', all, ({ missed }) => missed, 0.05),
    share(
      'programmes: the interval of the relative lift misses the truth at any look',
      all,
      ({ missedRelative }) => missedRelative,
      0.05,
    ),
    share(
      'programmes: the interval of revenue misses the truth at any look',
      all,
      ({ missedRevenue }) => missedRevenue,
      0.05,
    ),
    share(
      'programmes: the interval of revenue per order misses the truth at any look',
      all,
      ({ missedQuotient }) => missedQuotient,
      0.05,
    ),
    share('programmes: a verdict is taken back', all, ({ takenBack }) => takenBack, 0),
    share('programmes without a lift: keep or stop at any look', of(0), ({ decided }) => decided !== undefined, 0.05),
    share(
      'programmes with a lift: the wrong side at any look',
      all.filter(({ lift }) => lift !== 0),
      life => life.decided !== undefined && life.decided !== (life.lift > 0 ? 'better' : 'worse'),
      0.025,
    ),
    share(
      'programmes at their end, one look: the interval misses the truth',
      all,
      ({ missedAtEnd }) => missedAtEnd,
      0.06,
    ),
    share('the same of revenue', all, ({ missedRevenueAtEnd }) => missedRevenueAtEnd, 0.06),
    share('the same of revenue per order', all, ({ missedQuotientAtEnd }) => missedQuotientAtEnd, 0.06),
    share('programmes with a large lift: not found while running', large, ({ decided }) => decided === undefined, 0.2),
    share(
      'programmes with a large lift: not found at the end',
      large,
      ({ decidedAtEnd }) => decidedAtEnd === undefined,
      0.1,
    ),
    share(
      'programmes: a check speaks up although nothing is wrong',
      all,
      ({ falseAlarms }) => falseAlarms.length > 0,
      0.01,
    ),
  ]
}

function sumFigures(): readonly Figure[] {
  if (repetitions === 0) return []
  return [
    ...exactCoverage(),
    singleLookShares(repetitions, seed),
    ...peekedShares(repetitions, seed + 1, 0),
    ...peekedShares(repetitions, seed + 2, 0.1),
    ...revenueWithoutEffect(repetitions, seed + 3),
    ...revenueWithEffects(repetitions, seed + 4),
    ...peekedRevenue(Math.ceil(repetitions / 4), seed + 5),
    ...quotientsWithoutEffect(repetitions, seed + 6),
    ...realSpending().flatMap(({ name, spent, sizes }, index) =>
      bootstrapped(name, spent, sizes, { repetitions, seed: seed + 7 + index }),
    ),
    ...sampleRatios(Math.ceil(repetitions / 10), seed + 9),
    ...draws(Math.min(1000, Math.ceil(repetitions / 2)), 20_000),
  ]
}
