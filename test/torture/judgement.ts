/** Compares what the destination truly has with what it must have, and with what the tool believes. Each violation is a sentence. */
import type { RunSummary } from '../../src/run.ts'
import type { FarEnd } from './far-end.ts'
import { type IdempotencyClass, idempotencyClasses } from './idempotency-classes.ts'
import type { Inspection } from './inspection.ts'
import type { Scenario } from './scenario.ts'
import type { Truth } from './truth.ts'

export interface Verdict {
  readonly violations: readonly string[]
  /** Changes that took effect more than once. */
  readonly duplicates: number
  /** People whose last change is neither at the destination nor refused nor parked. */
  readonly lost: number
}

export function judge(scenario: Scenario, far: FarEnd, truth: Truth, state: Inspection): Verdict {
  const promise: IdempotencyClass = idempotencyClasses[scenario.idempotency]
  const losses =
    scenario.mode === 'mirror' ? lossesOfMirror(far, truth, state) : lossesOfTrigger(far, truth, state, promise)
  const repeated = [...counted(far.effects.map(({ changeId }) => changeId))].filter(([, times]) => times > 1)
  const violations = [
    ...losses,
    ...(promise.once ? repeated.map(([id, times]) => `change ${id} took effect ${times} times`) : []),
    ...(promise.neverResent
      ? [...far.arrivals].filter(([, times]) => times > 1).map(([id, times]) => `change ${id} was sent ${times} times`)
      : []),
    ...needlesslyParked(promise, far, state),
    ...far.conflicts.map(conflict => `other bytes under a known key: ${conflict}`),
    ...differences('the snapshot', plain(state.snapshot), 'the truth', truth.members, state.parked),
    ...state.requests
      .filter(({ state: at }) => at === 'sending' || at === 'uncertain')
      .map(({ requestId, state: at }) => `request ${requestId} is still ${at}`),
    ...state.unsettledRuns.map(runId => `run ${runId} is not settled`),
    ...(state.reservations === 0 ? [] : [`${state.reservations} reservations were left behind`]),
    ...state.outboxes.map(name => `${name} was left behind`),
  ]
  return { violations, duplicates: repeated.length, lost: losses.length }
}

/** A refusal under a key that may have been applied before says nothing certain, so that even what is keyed may be parked then. */
export function needlesslyParked({ parks }: IdempotencyClass, far: FarEnd, { parked }: Inspection): readonly string[] {
  if (parks) return []
  return [...parked].filter(key => !far.refused.has(key)).map(key => `${key} is parked, which this class never needs`)
}

function lossesOfMirror(far: FarEnd, truth: Truth, { parked }: Inspection): readonly string[] {
  return differences('the destination', plain(far.records), 'the truth', truth.members, parked)
}

function lossesOfTrigger(far: FarEnd, truth: Truth, { parked }: Inspection, { once }: IdempotencyClass): string[] {
  const times = counted(far.effects.map(({ key }) => key))
  const keys = new Set([...times.keys(), ...truth.entries.keys()])
  return [...keys].flatMap(key => {
    const [was, must] = [times.get(key) ?? 0, truth.entries.get(key) ?? 0]
    // Who is parked has had it or not; from then on nothing is sent to them.
    if (parked.has(key)) return was <= must ? [] : [`${key} had ${was} communications, at most ${must} were due`]
    const fits = once ? was === must : was >= must
    return fits ? [] : [`${key} had ${was} communications instead of ${must}`]
  })
}

function plain(records: ReadonlyMap<string, Readonly<Record<string, unknown>>>): ReadonlyMap<string, string> {
  return new Map([...records].map(([key, { name }]) => [key, String(name)]))
}

function differences(
  left: string,
  one: ReadonlyMap<string, string>,
  right: string,
  other: ReadonlyMap<string, string>,
  without: ReadonlySet<string>,
): readonly string[] {
  const keys = [...new Set([...one.keys(), ...other.keys()])].filter(key => !without.has(key)).sort()
  return keys.flatMap(key => {
    const [a, b] = [one.get(key) ?? 'nothing', other.get(key) ?? 'nothing']
    return a === b ? [] : [`${key}: ${left} has ${a}, ${right} ${b}`]
  })
}

export function counted(items: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

/** The sums of the contract, which hold for every run that came to a plan, however it ended. */
export function judgeSums({ plan, outcomes, run_id: runId }: RunSummary): readonly string[] {
  if (plan === undefined) return []
  const { rows, changes, decisions } = plan
  const total = (counts: object) => Object.values(counts as Record<string, number>).reduce((sum, n) => sum + n, 0)
  const sums: readonly (readonly [string, number, number])[] = [
    ['model = quarantined + ineligible + population', rows.model, rows.quarantined + rows.ineligible + rows.population],
    ['population = unchanged + enter + change', rows.population, rows.unchanged + changes.enter + changes.change],
    ['enter + change + leave = all decisions', total(changes), total(decisions)],
    ['send = acked + rejected + parked + pending', decisions.send, total(outcomes)],
  ]
  return sums.flatMap(([name, left, right]) =>
    left === right ? [] : [`run ${runId}: ${name}, but ${left} ≠ ${right}`],
  )
}
