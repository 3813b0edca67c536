/**
 * Named places at which a test may kill or pause a run, after FreeBSD's fail(9) and TiKV's `fail` crate (read 2026-11). A run
 * says which place it has reached; what happens there is decided outside. By default nothing does, and the parts that send and
 * record are not even wrapped.
 *
 * What is armed by the environment variable `ACTIVATE_FAILPOINT` (armed.ts) is meant for tests alone.
 */

/** Writes of the ledger that belong to a run; each may die right before it and right after its commit. */
export const ledgerWrites = [
  'acquire',
  'renew',
  'release',
  'startRun',
  'updateRun',
  'begin',
  'conclude',
  'move',
] as const
export type LedgerWrite = (typeof ledgerWrites)[number]

/** Every place but those of the ledger, with what is true there. */
export const stepFailpoints = {
  'recover.found': 'a dead run with an outbox was found, and nothing of it is touched',
  'recover.redelivered': 'what may have arrived was sent again or parked; nothing is settled',
  'recover.settled': 'the warehouse has taken in the dead run; the ledger still calls it unsettled',
  materialise: 'the model stands in a scratch table, unchecked',
  check: 'the population is checked, nothing is planned',
  policies: 'consents, people and opt-outs are read',
  outbox: 'the outbox is written; nothing in the ledger points to it',
  quarantine: 'rows that break their contract are remembered, the decisions are not yet',
  decisions: 'reservations, exposures and who may not take part are written down; nothing may leave yet',
  deliver: 'the ledger knows the outbox, and nothing was sent',
  'send.before': 'an intent is committed, and the last check before the write was passed',
  'send.leaving': 'a connection is there, and the first byte is about to leave',
  'send.after': 'the destination has answered, or the answer is lost; nothing of it is recorded',
  delivered: 'every outcome is recorded, nothing is settled',
  'settle.loaded': "the ledger's outcomes stand in the warehouse beside the outbox",
  'settle.computed': 'what became of each change is computed, and about to be written',
  'transaction.inside': 'a transaction of the warehouse has run all its statements and is not committed',
  'settle.committed': 'the snapshot has moved; the outbox is still there',
  'settle.swept': 'the outbox is dropped; the ledger still calls the run unsettled',
  'shutdown.begun': 'the command is done, and everything is still open',
  'shutdown.destinations': 'connections to destinations are closed',
  'shutdown.ledger': 'the ledger is closed, the warehouse is not',
  'shutdown.done': 'everything is closed, the process has not ended',
} as const satisfies Record<string, string>

export type LedgerFailpoint = `ledger.${LedgerWrite}.${'before' | 'after'}`
export type FailpointName = keyof typeof stepFailpoints | LedgerFailpoint

/** All of them, in no order that means anything. */
export const failpointNames: readonly FailpointName[] = [
  ...(Object.keys(stepFailpoints) as (keyof typeof stepFailpoints)[]),
  ...ledgerWrites.flatMap(write => [`ledger.${write}.before`, `ledger.${write}.after`] as const),
]

export interface Failpoints {
  /** Resolves when the run may go on. Whoever kills does so before this returns. */
  reach(name: FailpointName): Promise<void>
}

const onward = Promise.resolve()

export const noFailpoints: Failpoints = { reach: () => onward }
