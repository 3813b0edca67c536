/**
 * Forgets a person: first the tombstone, so that nothing of them can come back; then the ledger, the warehouse and the
 * files; then what the engines still hold of deleted rows. Whatever it is interrupted in, doing it again finishes it: the
 * warehouse comes last, because what it knows is how the person is found.
 */
import type { Tally } from '../ledger/erasure.ts'
import type { Lease } from '../ledger/ledger.ts'
import type { Tombstone } from '../ledger/tombstone.ts'
import { ActivateError } from '../project/problem.ts'
import type { Wired } from '../wire.ts'
import { type FoundPerson, findPerson, forgetInWarehouse, type LeftAt } from './erase-warehouse.ts'
import { withLease } from './lease-keeper.ts'

export interface EraseOptions {
  /** Finds and counts; changes nothing. */
  readonly dryRun: boolean
  /** What is to happen where destinations still have the person and a sync could remove them. */
  readonly atDestinations: 'remove-first' | 'keep' | undefined
  readonly actor: string
}

export interface Erasure {
  /** `counted`: a dry run. `removing`: the next runs remove the person from destinations, then it has to be done again. */
  readonly status: 'counted' | 'removing' | 'erased'
  /** How many keys the person has. */
  readonly keys: number
  readonly ledger: Tally
  readonly warehouse: Tally
  readonly files: Tally
  /** Destinations that were told of the person and not told to remove them. */
  readonly leftAt: readonly LeftAt[]
  /** Until when the person is kept from coming back. */
  readonly until: number
  /** What could not be overwritten, and why. */
  readonly remains: readonly string[]
}

/** Files that the tool wrote, apart from warehouse and ledger: the edge does what touches them. */
export interface StateFiles {
  /** Redacts those that this tool can read, or only counts them; names those that mention the person all the same. */
  forget(
    person: Pick<FoundPerson, 'traces' | 'redact'>,
    dryRun: boolean,
  ): Promise<{ readonly redacted: Tally; readonly mention: readonly string[] }>
}

/**
 * Throws A8018 when the person has yet to be removed somewhere and nobody said whether they should be, A8019 when a run is
 * not settled, A8020 when one is under way.
 */
export async function erasePerson(
  wired: Wired,
  files: StateFiles,
  key: string,
  options: EraseOptions,
): Promise<Erasure> {
  const ledger = await wired.ledger()
  const unsettled = await ledger.runs({ unsettled: true })
  const scopes = [...wired.project.syncs, ...unsettled.map(({ sync }) => ({ name: sync }))].map(
    ({ name }) => `sync:${name}`,
  )
  return withLeases(wired, [...new Set(scopes)].sort(), () => eraseAlone(wired, files, key, options))
}

/** No run is under way, and none can begin. */
async function eraseAlone(wired: Wired, files: StateFiles, key: string, options: EraseOptions): Promise<Erasure> {
  const ledger = await wired.ledger()
  await refuseUnsettled(wired)
  const warehouse = await wired.warehouse()
  const person = await findPerson(warehouse, wired.project, key)
  const { traces } = person
  const until = wired.clock.now() + wired.project.retention.erasures
  const known = { keys: traces.persons.length, leftAt: person.leftAt, until }
  const ledgerTraces = { keys: traces.keys, redact: person.redact, redactPlan: person.redactPlan }

  if (options.dryRun) {
    const { redacted, mention } = await files.forget(person, true)
    const counted = { ledger: await ledger.countTraces(ledgerTraces), warehouse: person.tally, files: redacted }
    return { status: 'counted', ...known, ...counted, remains: mention }
  }
  const removable = person.leftAt.filter(({ removable: can }) => can)
  if (removable.length > 0 && options.atDestinations === undefined) throw undecided(removable)
  const removing = removable.length > 0 && options.atDestinations === 'remove-first'
  await bury(wired, traces.persons, { ...options, until, state: removing ? 'removing' : 'erased' })
  if (removing) return { status: 'removing', ...known, ledger: {}, warehouse: {}, files: {}, remains: [] }

  const { redacted, mention } = await files.forget(person, false)
  const forgotten = await ledger.forget(ledgerTraces)
  await forgetInWarehouse(warehouse, person)
  const remains = [...mention, ...(await overwrite(wired))]
  return { status: 'erased', ...known, ledger: forgotten, warehouse: person.tally, files: redacted, remains }
}

async function bury(
  wired: Wired,
  persons: readonly string[],
  { actor, until, state }: Pick<EraseOptions, 'actor'> & { readonly until: number; readonly state: Tombstone['state'] },
): Promise<void> {
  const ledger = await wired.ledger()
  const tombstones = await ledger.tombstoneMaker()
  const at = wired.clock.now()
  const made = persons.map(key => ({ ...tombstones.of(key), state, erasedAt: at, expiresAt: until }))
  const detail = { state, tombstones: made.map(({ hash }) => hash), expires_at: new Date(until).toISOString() }
  await ledger.bury(made, { actor, at, action: 'erase', subject: 'person', detail })
}

/** What the engines still hold of deleted rows, and cannot be made to let go of now. */
async function overwrite(wired: Wired): Promise<readonly string[]> {
  const remains: string[] = []
  const ledger = await wired.ledger()
  const inLedger = await ledger.purge()
  if (inLedger !== undefined) remains.push(`the ledger: ${inLedger}`)
  const warehouse = await wired.rewriteWarehouse()
  if (warehouse !== undefined) remains.push(`the warehouse: ${warehouse}`)
  return remains
}

async function refuseUnsettled({ ledger: open, project }: Wired): Promise<void> {
  const known = new Set(project.syncs.map(({ name }) => name))
  const unsettled = (await (await open()).runs({ unsettled: true })).filter(({ sync }) => known.has(sync))
  const [first] = unsettled
  if (first === undefined) return
  const syncs = [...new Set(unsettled.map(({ sync }) => sync))]
  throw new ActivateError('failed', {
    code: 'A8019',
    message: `${syncs.join(', ')} ${syncs.length === 1 ? 'has' : 'have'} a run that was cut off, and what it sent is not settled yet`,
    help: `run ${syncs.length === 1 ? 'it' : 'them'} first, which settles that: activate run --select ${syncs.join(' ')}`,
  })
}

function undecided(removable: readonly LeftAt[]): ActivateError {
  const where = removable.map(({ destination, sync }) => `${destination} (${sync})`).join(', ')
  return new ActivateError('invalid', {
    code: 'A8018',
    message: `the person is still at ${where}, from where only a run can remove them, and only as long as they are known here`,
    help: '--remove-first keeps them out from now on, so that the next runs remove them; then erase again. --keep-at-destinations forgets them here and leaves them there',
  })
}

/** Takes every lease or none. */
async function withLeases<Result>(
  wired: Wired,
  scopes: readonly string[],
  work: () => Promise<Result>,
): Promise<Result> {
  const [scope, ...others] = scopes
  if (scope === undefined) return work()
  const parts = { ...wired.identity, ledger: await wired.ledger(), clock: wired.clock, leaseLength: wired.leaseLength }
  const answer = await withLease(parts, scope, (_lease: () => Lease) => withLeases(wired, others, work))
  if (answer.kind === 'done') return answer.result
  throw new ActivateError('locked', {
    code: 'A8020',
    message: `process ${answer.by.pid} on ${answer.by.host} is running ${scope.replace(/^sync:/, '')}`,
    help: 'erase when the run has ended; `activate suppress` keeps the person from being sent to from this moment on',
  })
}
