/** What a lift means to somebody who has to decide, in plain words. Pure. */
import type { Measure } from '../project/outcomes.ts'
import type { Problem } from '../project/problem.ts'
import { averageOf, type Comparison } from './comparison.ts'
import type { Decision } from './decision.ts'
import type { Integrity } from './integrity.ts'
import type { NotEstimable, TooFew } from './stats/answer.ts'
import { normalUpperQuantile } from './stats/distributions.ts'
import type { Lift, Verdict as Side } from './stats/lift.ts'

/**
 * `keep`: better than nothing. `stop`: worse. `wait`: cannot be told yet. `unclear`: over, and could not be told. `unreliable`: the figures
 * must not be relied upon. `unmeasured`: the primary outcome could not be looked at. `nothing_to_measure`: no primary outcome, or nobody
 * took part.
 */
export type Advice = 'keep' | 'stop' | 'wait' | 'unclear' | 'unreliable' | 'unmeasured' | 'nothing_to_measure'

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
  readonly measure: Measure
  /** What the looks so far have proven; undefined where that is nothing. */
  readonly decision: Decision | undefined
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
  /** Guardrails that could not be looked at. */
  readonly unseen?: readonly string[]
}

/** The verdict on one treated arm, from its primary outcome and its guardrails. */
export function verdictOn(primary: Judged, guardrails: readonly Judged[], circumstances: Circumstances): Verdict {
  const { arm, lift } = primary.comparison
  const say = (advice: Advice, text: string): Verdict => ({ arm, advice, text })
  const [alarm] = circumstances.integrity.alarms
  if (alarm !== undefined) return say('unreliable', unreliable(alarm))
  if (lift.kind === 'too_few') return say(...tooFewYet(lift, primary, circumstances))
  if (lift.kind === 'not_estimable') return say(circumstances.finished ? 'unclear' : 'wait', notEstimableYet(lift))
  const harmed = guardrails.find(isWorse)
  if (isWorse(primary)) return say('stop', `stop: it makes "${primary.outcome}" worse${proof(primary, lift)}`)
  if (harmed !== undefined && harmed.comparison.lift.kind === 'estimated')
    return say('stop', `stop: it makes the guardrail "${harmed.outcome}" worse${proof(harmed, harmed.comparison.lift)}`)
  if (sideOf(primary) !== 'undecided') {
    const [unseen] = circumstances.unseen ?? []
    return unseen === undefined
      ? say('keep', `keep: it works${proof(primary, lift)}`)
      : say('wait', `wait: it works, but the guardrail "${unseen}" could not be measured${proof(primary, lift)}`)
  }
  if (circumstances.finished) return say('unclear', `no difference was found. ${evidence(primary, lift)}`)
  return say('wait', `${waitUntil(primary, lift, circumstances)}. So far: ${evidence(primary, lift)}`)
}

/** The verdict on every treated arm where nobody could look at the primary outcome. */
export function verdictOnUnmeasured(
  outcome: string,
  { code, message }: Problem,
  { alarms: [alarm] }: Integrity,
): Verdict {
  const said = `"${outcome}" could not be measured, so that nothing is known of the lift: ${message} (${code})`
  return alarm === undefined
    ? { arm: 'treated', advice: 'unmeasured', text: said }
    : { arm: 'treated', advice: 'unreliable', text: unreliable(alarm) }
}

function unreliable(alarm: string): string {
  return `do not rely on these figures: ${alarm}`
}

function isWorse(judged: Judged): boolean {
  return sideOf(judged) === (judged.direction === 'up' ? 'lower' : 'higher')
}

/** What the present look says, or else an earlier one that has proven it for all. */
function sideOf({ comparison: { lift }, decision }: Judged): Side {
  if (lift.kind !== 'estimated') return 'undecided'
  if (lift.verdict !== 'undecided' || decision?.kind !== 'decided') return lift.verdict
  return decision.side
}

/** The evidence, and since when it is enough where the present look alone would not be. */
function proof(judged: Judged, lift: Lift): string {
  const { decision } = judged
  const earlier = lift.verdict === 'undecided' && decision?.kind === 'decided' ? decision : undefined
  if (earlier === undefined) return `. ${evidence(judged, lift)}`
  return `, as was proven by ${new Date(earlier.at).toISOString().slice(0, 10)}. By now: ${evidence(judged, lift)}`
}

/** `12.3 % against 11.0 %: +11.8 % (between +1.0 % and +23.5 %)`. */
function evidence({ comparison, outcome, measure }: Judged, lift: Lift): string {
  const { treated, withheld } = comparison
  const shown = (of: typeof treated) => {
    const value = averageOf(of, measure) ?? 0
    return measure === 'share' ? percent(value) : decimal(value)
  }
  const moved = (value: number) => signed(measure === 'share' ? points(value) : decimal(value))
  const { relative, absolute } = lift
  const effect =
    relative.kind === 'estimated'
      ? `${signed(percent(relative.estimate))} (between ${signed(percent(relative.lower))} and ${signed(percent(relative.upper))})`
      : `${moved(absolute.estimate)} (between ${moved(absolute.lower)} and ${moved(absolute.upper)})`
  return `"${outcome}" is ${shown(treated)} with it and ${shown(withheld)} without: ${effect}`
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
