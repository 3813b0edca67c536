/** What a lift means to somebody who has to decide, in plain words. Pure. */
import type { Comparison } from './comparison.ts'
import type { Integrity } from './integrity.ts'
import type { NotEstimable, TooFew } from './stats/answer.ts'
import { normalUpperQuantile } from './stats/distributions.ts'
import type { Lift } from './stats/lift.ts'

/**
 * `keep`: better than nothing. `stop`: worse. `wait`: cannot be told yet. `unclear`: over, and could not be told. `unreliable`: the figures
 * must not be relied upon. `nothing_to_measure`: no primary outcome, or nobody took part.
 */
export type Advice = 'keep' | 'stop' | 'wait' | 'unclear' | 'unreliable' | 'nothing_to_measure'

export interface Verdict {
  /** Which treated arm it is about. */
  readonly arm: string
  readonly advice: Advice
  /** One or two sentences. */
  readonly text: string
}

export interface Judged {
  readonly comparison: Comparison
  readonly outcome: string
  readonly direction: 'up' | 'down'
  /** Each person has the outcome or has it not. */
  readonly counts: boolean
}

export interface Circumstances {
  readonly integrity: Integrity
  /** Nobody is withheld any more, and every window is over. */
  readonly finished: boolean
  /** When the first person was exposed, and the report's clock; milliseconds. */
  readonly firstAt: number
  readonly asOf: number
  /** The window of the primary outcome, in milliseconds. */
  readonly window: number
  /** `2026-07-01`, when the holdout ends. */
  readonly expires: string | undefined
}

/** The verdict on one treated arm, from its primary outcome and its guardrails. */
export function verdictOn(primary: Judged, guardrails: readonly Judged[], circumstances: Circumstances): Verdict {
  const { arm, lift } = primary.comparison
  const say = (advice: Advice, text: string): Verdict => ({ arm, advice, text })
  const [alarm] = circumstances.integrity.alarms
  if (alarm !== undefined) return say('unreliable', `do not rely on these figures: ${alarm}`)
  if (lift.kind === 'too_few') return say(...tooFewYet(lift, primary, circumstances))
  if (lift.kind === 'not_estimable') return say(circumstances.finished ? 'unclear' : 'wait', notEstimableYet(lift))
  const harmed = guardrails.find(isWorse)
  if (isWorse(primary)) return say('stop', `stop: it makes "${primary.outcome}" worse. ${evidence(primary, lift)}`)
  if (harmed !== undefined && harmed.comparison.lift.kind === 'estimated')
    return say(
      'stop',
      `stop: it makes the guardrail "${harmed.outcome}" worse. ${evidence(harmed, harmed.comparison.lift)}`,
    )
  if (lift.verdict !== 'undecided') return say('keep', `keep: it works. ${evidence(primary, lift)}`)
  if (circumstances.finished) return say('unclear', `no difference was found. ${evidence(primary, lift)}`)
  return say('wait', `${waitUntil(primary, lift, circumstances)}. So far: ${evidence(primary, lift)}`)
}

function isWorse({ comparison: { lift }, direction }: Judged): boolean {
  return lift.kind === 'estimated' && lift.verdict === (direction === 'up' ? 'lower' : 'higher')
}

/** `12.3 % against 11.0 %: +11.8 % (between +1.0 % and +23.5 %)`. */
function evidence({ comparison, outcome, counts }: Judged, lift: Lift): string {
  const { treated, withheld } = comparison
  const mean = ({ n, sum }: { readonly n: number; readonly sum: number }) => (n === 0 ? 0 : sum / n)
  const shown = (value: number) => (counts ? percent(value) : decimal(value))
  const moved = (value: number) => signed(counts ? points(value) : decimal(value))
  const { relative, absolute } = lift
  const effect =
    relative.kind === 'estimated'
      ? `${signed(percent(relative.estimate))} (between ${signed(percent(relative.lower))} and ${signed(percent(relative.upper))})`
      : `${moved(absolute.estimate)} (between ${moved(absolute.lower)} and ${moved(absolute.upper)})`
  return `"${outcome}" is ${shown(mean(treated))} with it and ${shown(mean(withheld))} without: ${effect}`
}

const day = 86_400_000

function tooFewYet(
  { arm, what, have, need }: TooFew,
  judged: Judged,
  around: Circumstances,
): readonly ['wait' | 'unclear', string] {
  const who =
    what === 'units_without_outcome' ? `people without "${judged.outcome}"` : `people with "${judged.outcome}"`
  const few = `${have} ${arm} ${who}, and ${need} are needed before anything can be said`
  if (around.finished) return ['unclear', `too few took part: there are ${few}`]
  if (have === 0) return ['wait', `wait: there are ${few}`]
  const observed = Math.max(day, around.asOf - around.window - around.firstAt)
  return ['wait', `${until(around.asOf + observed * (need / have - 1), around)}: there are ${few}`]
}

function notEstimableYet({ reason }: NotEstimable): string {
  return reason === 'empty_arm'
    ? 'wait: nobody whose window is over is in one of the arms yet'
    : 'wait: people of one arm do not differ at all yet, so that nothing is known of chance'
}

/** A statistic grows with the square root of the people: when it will be beyond the boundary, with a chance of four in five. */
function waitUntil({ comparison }: Judged, { statistic, critical }: Lift, around: Circumstances): string {
  const units = comparison.treated.n + comparison.withheld.n
  const grown = ((critical + normalUpperQuantile(0.2)) / Math.max(Math.abs(statistic), 1e-9)) ** 2
  const observed = Math.max(day, around.asOf - around.window - around.firstAt)
  const more = observed * (grown - 1)
  if (more > 730 * day)
    return `wait, but as it looks (${units.toLocaleString('en-GB')} people so far) two more years would not decide it`
  return `${until(around.asOf + more, around)}, if the lift is what it looks like`
}

function until(instant: number, { expires }: Circumstances): string {
  const date = new Date(instant).toISOString().slice(0, 10)
  const late = expires !== undefined && date > expires ? `, which is after the holdout ends on ${expires}` : ''
  return `wait until about ${date}${late}`
}

/** `12.3 %`; more digits where it is small. */
export function percent(share: number): string {
  const value = share * 100
  return `${value.toFixed(Math.abs(value) < 1 ? 2 : 1)} %`
}

/** `7.7 pp`: percentage points. */
export function points(share: number): string {
  return percent(share).replace('%', 'pp')
}

export function decimal(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(Math.abs(value) < 1 ? 3 : 2)
}

export function signed(text: string): string {
  return text.startsWith('-') ? text.replace('-', '−') : `+${text}`
}
