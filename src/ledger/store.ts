/** The ledger as a store: leases, runs, requests and what people decided in one database, sends committed in groups. */
import type { LedgerSettings } from '../project/project.ts'
import { approvalsOf } from './approvals.ts'
import { auditOf } from './audit.ts'
import type { Answer, Database, Send } from './database.ts'
import { deadLettersOf, sealLetter } from './dead-letters.ts'
import { erasuresOf } from './erasures.ts'
import { groupCommit } from './group-commit.ts'
import { holdsOf } from './holds.ts'
import { type KeySource, keyBeside } from './key.ts'
import { hashOfKey } from './key-hashes.ts'
import { leasesOf } from './leases.ts'
import type { Conclusion, Lease, Ledger } from './ledger.ts'
import { ledgerKey } from './ledger-key.ts'
import { optOutsOf } from './opt-outs.ts'
import { isPostgresLedger, openPostgres } from './postgres.ts'
import type { PostgresLedgerSettings } from './postgres-address.ts'
import { hashReceipt, reportsOf } from './reports.ts'
import { requestsOf } from './requests.ts'
import { dueTimesOf, runsOf } from './runs.ts'
import { openSqlite } from './sqlite.ts'
import { turnsOf } from './turns.ts'

export type SqliteLedgerSettings = Extract<LedgerSettings, { readonly type: 'sqlite' }>

/**
 * Opens the ledger, brings it up to date and erases what has expired; several processes may do so at once. Its folder is made when it is missing.
 *
 * @throws A5001 the file is damaged or not a ledger, A5002 it is newer than this tool, A5004 it is locked,
 *   A5005 it cannot be written, A5008 it cannot be opened
 */
export async function openLedger(
  { path }: SqliteLedgerSettings,
  options: Partial<LedgerOptions> = {},
): Promise<Ledger> {
  const defaults = { key: keyBeside(path), now: Date.now, letterRetention: 30 * day }
  const ledger = ledgerOver(await openSqlite(path), { ...defaults, ...options })
  await ledger.expireLetters((options.now ?? Date.now)())
  return ledger
}

/**
 * Opens the ledger that several machines share, brings it up to date and erases what has expired. Its schema is made when
 * it is missing. `patience`: milliseconds for which a lost connection is sought anew.
 *
 * @throws A5020 not reached, A5021 wrong credentials, A5022 a grant is missing, A5024 the server cannot hold one, A5026 TLS,
 *   A5027 the schema is of something else, A5028 no URL; A5002, A5004, A5005 as for a file
 */
export async function openSharedLedger(
  settings: PostgresLedgerSettings,
  { patience, ...options }: LedgerOptions & { readonly patience?: number },
): Promise<Ledger> {
  const ledger = ledgerOver(await openPostgres(settings, patience === undefined ? {} : { patience }), options)
  await ledger.expireLetters(options.now())
  return ledger
}

/** Whether there is one; makes nothing, and throws as opening does. */
export async function isSharedLedger(settings: PostgresLedgerSettings): Promise<boolean> {
  return isPostgresLedger(settings)
}

export interface LedgerOptions {
  /** Where the key comes from; a file beside the ledger unless given. */
  readonly key: KeySource
  /** Wall time in milliseconds. */
  readonly now: () => number
  /** Milliseconds for which a dead letter is kept. */
  readonly letterRetention: number
}

const day = 86_400_000

/** The ledger over an engine that is open already. */
export function ledgerOver(database: Database, options: LedgerOptions): Ledger {
  const sends = groupCommit<Send, Answer>(group => database.commit(group))
  const key = ledgerKey(database, options.key, options.now)

  /** Keys of people are hashed and what was refused is sealed before anything is written. */
  async function sealed(conclusion: Conclusion, lease: Lease): Promise<Send> {
    const { deadLetters = [], receipts = [], exceptions, ...rest } = conclusion
    const sealer = await key()
    return {
      kind: 'conclude',
      conclusion: {
        ...rest,
        exceptions: exceptions.map(exception => ({ ...exception, key: hashOfKey(sealer, exception.key) })),
      },
      letters: deadLetters.map(letter => sealLetter(sealer, letter, options.letterRetention)),
      receipts: receipts.map(receipt => hashReceipt(sealer, receipt)),
      lease,
    }
  }

  return {
    ...leasesOf(database),
    ...runsOf(database),
    ...requestsOf(database, key),
    ...dueTimesOf(database),
    ...optOutsOf(database),
    ...holdsOf(database),
    ...approvalsOf(database),
    ...auditOf(database),
    ...turnsOf(database),
    ...deadLettersOf(database, key),
    ...erasuresOf(database, key),
    ...reportsOf(database, key),

    async checkKey() {
      await key()
    },

    async begin(requests, at, lease) {
      const answer = await sends.add({ kind: 'begin', requests, at, lease })
      if (answer.kind === 'begun') return answer.attempts
      throw refusal(answer)
    },

    async conclude(conclusion, lease) {
      const answer = await sends.add(namesKeys(conclusion) ? await sealed(conclusion, lease) : plain(conclusion, lease))
      if (answer.kind === 'concluded') return answer.won
      throw refusal(answer)
    },

    async close() {
      await sends.idle()
      await database.close()
    },
  }
}

function namesKeys({ deadLetters = none, receipts = none, exceptions }: Conclusion): boolean {
  return deadLetters.length + receipts.length + exceptions.length > 0
}

/** By far the most frequent: a yes to all of it. */
function plain(conclusion: Conclusion, lease: Lease): Send {
  return { kind: 'conclude', conclusion, letters: none, receipts: none, lease }
}

const none: readonly never[] = []

function refusal(answer: Answer): unknown {
  return answer.kind === 'refused' ? answer.error : new TypeError(`a send was answered as ${answer.kind}`)
}
