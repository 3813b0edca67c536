/**
 * The last look before the bytes leave. Consent, suppression and quiet hours were decided in the warehouse when the plan
 * was made; a person may have opted out since. Right before an intent is committed, for the first attempt and for every
 * other, each row is looked at once more, and who must not be sent to is taken out.
 *
 * What cannot be closed is the moment between the look and the write, in which the intent is committed and the request may
 * wait for its turn: who opts out in it, or in the fiftieth of a second before for which a look may rely on what was read
 * (`freshFor` in `run/last-look.ts`), is sent to once more. It is kept short: a request that has waited longer than
 * `longestUnchecked` is looked at again instead of being sent.
 */
import type { ChangeException } from '../ledger/ledger.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { isBoundToItsKey, type Task, type TaskSource, tasksOfBatch } from './task.ts'

export interface Withdrawal {
  /** A reason as in a plan, such as `suppression.opt_out`. */
  readonly code: string
  readonly message: string
  /**
   * What may have arrived is repeated all the same: once the snapshot knows of it, the next plan takes it away. Left out, it
   * would stay at the destination with nobody knowing.
   */
  readonly repeatsDoubt?: boolean
}

export interface RecheckAnswer {
  /** By `seq`: who must not be sent to, and why. */
  readonly withdrawn: ReadonlyMap<number, Withdrawal>
  /** Somebody pressed hold: delivery stops, and the rest stays pending. */
  readonly stop?: { readonly code: string; readonly message: string }
}

/**
 * Asked with all rows of the requests that are about to be begun (one call for many requests); answers which of them must
 * not leave after all. `now` is wall time in milliseconds. Throws what keeps it from knowing: then nothing leaves, and
 * delivery throws it.
 */
export type Recheck = (changes: readonly PlannedChange[], now: number) => Promise<RecheckAnswer>

/** Milliseconds after its intent was committed for which a look at a request's rows holds. */
export const longestUnchecked = 5_000

export interface Look {
  /** Those to be begun, without who was withdrawn. */
  readonly tasks: readonly Task[]
  /** How many rows do not leave any more; those that are parked with their request are not among them. */
  readonly withdrawn: number
  readonly stop?: { readonly code: string; readonly message: string }
}

/** Whether there is anything to look at; without policies there is not, and delivery pays nothing. */
export function needsLook(lot: readonly Task[], recheck: Recheck | undefined, now: number): boolean {
  return recheck !== undefined || lot.some(({ notAfter }) => notAfter <= now)
}

/** Whether a request whose intent was committed a while ago must be looked at again before it may be written. */
export function isOutdated({ notAfter, begunAt }: Task, recheck: Recheck | undefined, now: number): boolean {
  return notAfter <= now || (recheck !== undefined && now - begunAt > longestUnchecked)
}

/** Looks at every row of the lot with one call. */
export async function lookAgain(
  source: TaskSource,
  lot: readonly Task[],
  recheck: Recheck | undefined,
  now: number,
): Promise<Look> {
  const changes = lot.flatMap(task => task.changes)
  const answer = await recheck?.(changes, now)
  const { stop } = answer ?? {}
  if (stop !== undefined) return { tasks: lot, withdrawn: 0, stop }
  const late = lot.some(({ notAfter }) => notAfter <= now) ? expired(changes, now) : []
  const withdrawn = new Map([...late, ...(answer?.withdrawn ?? [])])
  if (withdrawn.size === 0) return { tasks: lot, withdrawn: 0 }
  const left = lot
    .filter(task => !isBoundToItsKey(task))
    .flatMap(task => task.changes.filter(({ seq }) => concerns(task, withdrawn.get(seq))))
  return { tasks: lot.flatMap(task => takeOut(source, task, withdrawn)), withdrawn: left.length }
}

function concerns({ doubt }: Task, answer: Withdrawal | undefined): answer is Withdrawal {
  return answer !== undefined && !(doubt && answer.repeatsDoubt === true)
}

function* expired(changes: readonly PlannedChange[], now: number): Generator<[number, Withdrawal]> {
  for (const { seq, notAfter } of changes) {
    if (notAfter === undefined || notAfter > now) continue
    const message = `it could leave until ${new Date(notAfter).toISOString()}`
    yield [seq, { code: 'quiet_hours.window', message }]
  }
}

/**
 * A request that was never begun is built anew without who was withdrawn. One that was begun keeps its bytes for good: it
 * is begun once more, for the sole purpose of being concluded, and the rest continues in a request of its own.
 */
function takeOut(source: TaskSource, task: Task, answers: ReadonlyMap<number, Withdrawal>): readonly Task[] {
  const withdrawn = task.changes.flatMap(change => withdrawalOf(task, change, answers.get(change.seq)))
  if (withdrawn.length === 0) return [task]
  if (task.attempt > 0) return [{ ...task, withdrawing: withdrawn }]

  const rest = task.changes.filter(({ seq }) => !concerns(task, answers.get(seq)))
  const { action } = task.request
  if (rest.length === 0)
    return [{ ...task, request: { ...task.request, bodyHash: '' }, prepared: undefined, changes: [], withdrawn }]
  const tasks = tasksOfBatch(source, { action, changes: rest, tooLarge: false }, task.spent)
  return tasks.map((built, index) => ({
    ...built,
    ...(index === 0 && {
      refused: [...task.refused, ...built.refused],
      unsendable: [...task.unsendable, ...built.unsendable],
      withdrawn,
    }),
  }))
}

function withdrawalOf(
  task: Task,
  { seq, key, changeId }: PlannedChange,
  answer: Withdrawal | undefined,
): readonly ChangeException[] {
  if (!concerns(task, answer)) return []
  return [{ seq, key, changeId, state: 'withdrawn', code: answer.code, message: answer.message }]
}
