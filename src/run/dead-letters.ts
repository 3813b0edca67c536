/**
 * Dead letters between ledger and warehouse: letters of rows that are refused no more are ended, and a person has rows
 * tried again or lets them rest. Replaying sends nothing: the row is due, and the next ordinary run of its sync decides.
 */
import type { DeadLetter, LetterContent } from '../ledger/dead-letter.ts'
import type { NewAuditEntry } from '../ledger/governance.ts'
import type { Lease, Ledger } from '../ledger/ledger.ts'
import {
  type Forecast,
  forecastOf,
  letRest,
  makeDue,
  selectDelivered,
  selectForecast,
  selectRefused,
} from '../plan/replay.ts'
import { query } from '../plan/stage.ts'
import { prepareState, type StateRelations } from '../plan/state-tables.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Sync } from '../project/project.ts'
import { type Fragment, render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { Wired } from '../wire.ts'
import { withLease } from './lease-keeper.ts'
import { dropScratch, newRunId, openNight, prepareSync } from './night.ts'
import { planSync } from './plan-sync.ts'
import { lockedProblem } from './summary.ts'

/** Letters that are opened, and keys that are bound to a statement, at a time. */
const chunkSize = 500

interface SettledRuns {
  readonly warehouse: Warehouse
  readonly ledger: Ledger
  readonly lease: () => Lease
  readonly sync: Pick<Sync, 'name'>
  readonly runIds: readonly string[]
  readonly now: number
}

/**
 * Ends the letters of a sync whose rows are refused no more. Called when no run of the sync is left to be settled: until
 * then a letter is older than the refusal that it is about. Repeating it changes nothing.
 */
export async function endSettledLetters(
  settled: SettledRuns,
  { tables }: Pick<StateRelations, 'tables'>,
): Promise<void> {
  const { warehouse, ledger, lease, sync, runIds, now } = settled
  for await (const letters of openLettersOf(ledger, sync.name)) {
    const keys = [...new Set(letters.map(({ content }) => content.key))]
    const refused = await keysOf(warehouse, selectRefused(tables, sync.name, keys))
    const over = letters.filter(({ content }) => !refused.has(content.key))
    if (over.length === 0) continue
    const delivered = await keysOf(warehouse, selectDelivered(tables, runIds, keys))
    const end = (which: typeof over, state: 'delivered' | 'settled') =>
      which.length === 0
        ? undefined
        : ledger.endLetters(
            which.map(({ letter }) => letter.letterId),
            state,
            now,
            lease(),
          )
    await end(
      over.filter(({ content }) => delivered.has(content.key)),
      'delivered',
    )
    await end(
      over.filter(({ content }) => !delivered.has(content.key)),
      'settled',
    )
  }
}

interface Opened {
  readonly letter: DeadLetter
  readonly content: LetterContent
}

async function* openLettersOf(ledger: Ledger, sync: string): AsyncGenerator<readonly Opened[]> {
  let after: string | undefined
  for (;;) {
    const range = after === undefined ? {} : { after }
    const letters = await ledger.deadLetters({ sync, state: 'open', limit: chunkSize, ...range })
    const last = letters.at(-1)
    if (last === undefined) return
    yield await opened(ledger, letters)
    after = last.letterId
  }
}

async function opened(ledger: Ledger, letters: readonly DeadLetter[]): Promise<readonly Opened[]> {
  const contents = await ledger.openLetters(letters.map(({ letterId }) => letterId))
  return letters.flatMap(letter => {
    const content = contents.get(letter.letterId)
    return content === undefined ? [] : [{ letter, content }]
  })
}

async function keysOf(warehouse: Warehouse, statement: Fragment): Promise<ReadonlySet<string>> {
  return new Set((await query(warehouse, statement)).map(row => String(row.key)))
}

export interface Deed {
  readonly actor: string
  readonly reason: string
}

export interface ReplayedLetter {
  readonly letter: DeadLetter
  readonly key: string
  /** What a run would do with the row now; undefined when that could not be found out. */
  readonly forecast: Forecast | undefined
}

export interface Replayed {
  readonly letters: readonly ReplayedLetter[]
  /** Why no plan could be made. The rows are due all the same. */
  readonly problems: readonly Problem[]
}

/** Letters that are about one sync, each open. Throws A9001 when a run holds the sync, A5011 to A5014. */
export async function replayLetters(
  wired: Wired,
  sync: Sync,
  letters: readonly DeadLetter[],
  deed: Deed,
  asOf: number,
): Promise<Replayed> {
  return underLease(wired, sync, async (ledger, lease) => {
    const all = await opened(ledger, letters)
    const at = wired.clock.now()
    const ids = all.map(({ letter }) => letter.letterId)
    // The ledger first, which refuses whoever lost the lease. A crash in between is mended by replaying once more.
    await ledger.noteReplay(ids, at, lease(), entryOf('replay', sync.name, deed, ids.length, at))
    const warehouse = await wired.warehouse()
    const { tables } = await prepareState(warehouse, sync.name)
    await eachChunk(all, keys => change(warehouse, makeDue(warehouse.dialect, tables, sync.name, keys, iso(at))))
    return forecast(wired, sync, all, asOf)
  })
}

/** What a run of the sync would do with these rows, by a plan that is thrown away. */
async function forecast(wired: Wired, sync: Sync, letters: readonly Opened[], asOf: number): Promise<Replayed> {
  const known = (forecasts: ReadonlyMap<string, Forecast> | undefined) =>
    letters.map(({ letter, content: { key } }) => ({ letter, key, forecast: forecasts?.get(key) }))
  try {
    const night = await openNight(wired, asOf)
    const runId = newRunId(sync, wired)
    const prepared = await prepareSync(night, sync, runId, () => undefined)
    const settings = { asOf, fullResync: false, limit: undefined, samples: 0, keepOutbox: false }
    const { outbox, ineligible } = await planSync(night, prepared, settings)
    const { rows, key, quarantine } = prepared.population
    const relations = { outbox, rows, key, ineligible, quarantine: quarantine?.relation }
    const forecasts = new Map<string, Forecast>()
    await eachChunk(letters, async keys => {
      const found = await query(night.warehouse, selectForecast(night.warehouse.dialect, relations, keys))
      for (const each of keys) forecasts.set(each, forecastOf(found.filter(row => row.key === each)))
    })
    await dropScratch(night, runId)
    return { letters: known(forecasts), problems: [] }
  } catch (error) {
    if (!(error instanceof ActivateError)) throw error
    return { letters: known(undefined), problems: error.problems }
  }
}

export interface Dropped {
  readonly letters: number
  /** Those that could not be opened, because the key is lost or they were changed: which rows they are about is not known. */
  readonly unread: number
}

/**
 * Lets the rows rest until they change, and erases what the letters hold. The warehouse comes first: once a letter is
 * ended, nothing tells whose it was. Doing it again finishes what a crash cut short.
 */
export async function dropLetters(
  wired: Wired,
  sync: Pick<Sync, 'name'>,
  letters: readonly DeadLetter[],
  deed: Deed,
): Promise<Dropped> {
  return underLease(wired, sync, async (ledger, lease) => {
    const all = await openedAsFarAsPossible(ledger, letters)
    if (all.length > 0) {
      const warehouse = await wired.warehouse()
      const { tables } = await prepareState(warehouse, sync.name)
      await eachChunk(all, keys => change(warehouse, letRest(warehouse.dialect, tables, sync.name, keys)))
    }
    const at = wired.clock.now()
    const ids = letters.map(({ letterId }) => letterId)
    const entry = entryOf('drop', sync.name, deed, ids.length, at)
    const dropped = await ledger.endLetters(ids, 'dropped', at, lease(), entry)
    return { letters: dropped, unread: letters.length - all.length }
  })
}

const keyIsMissing = new Set(['A5011', 'A5013', 'A1150', 'A1151'])
const letterIsUnreadable = new Set(['A5012', 'A5014'])

/** To drop what nobody can read any more is all that can be done with it, so it must be possible. */
async function openedAsFarAsPossible(ledger: Ledger, letters: readonly DeadLetter[]): Promise<readonly Opened[]> {
  try {
    return await opened(ledger, letters)
  } catch (error) {
    const code = error instanceof ActivateError ? error.problems[0].code : ''
    if (keyIsMissing.has(code)) return []
    if (!letterIsUnreadable.has(code)) throw error
    if (letters.length === 1) return []
    const middle = Math.ceil(letters.length / 2)
    const left = await openedAsFarAsPossible(ledger, letters.slice(0, middle))
    return [...left, ...(await openedAsFarAsPossible(ledger, letters.slice(middle)))]
  }
}

async function underLease<Result>(
  wired: Wired,
  sync: Pick<Sync, 'name'> & Partial<Pick<Sync, 'place'>>,
  work: (ledger: Ledger, lease: () => Lease) => Promise<Result>,
): Promise<Result> {
  const ledger = await wired.ledger()
  const parts = { ledger, clock: wired.clock, leaseLength: wired.leaseLength, ...wired.identity }
  const answer = await withLease(parts, `sync:${sync.name}`, lease => work(ledger, lease))
  if (answer.kind === 'locked') throw new ActivateError('locked', lockedProblem(sync, answer))
  return answer.result
}

async function eachChunk(letters: readonly Opened[], work: (keys: readonly string[]) => Promise<void>): Promise<void> {
  const keys = [...new Set(letters.map(({ content }) => content.key))]
  for (let start = 0; start < keys.length; start += chunkSize) await work(keys.slice(start, start + chunkSize))
}

async function change(warehouse: Warehouse, statement: Fragment): Promise<void> {
  await warehouse.transaction([render(statement, warehouse.dialect.placeholder)])
}

function entryOf(
  action: 'replay' | 'drop',
  sync: string,
  { actor, reason }: Deed,
  letters: number,
  at: number,
): NewAuditEntry {
  return { actor, at, action, subject: `sync:${sync}`, detail: { reason, letters } }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
