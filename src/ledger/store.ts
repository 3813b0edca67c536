/** The ledger as a store: leases, runs, requests and what people decided in one database, sends committed in groups. */
import type { LedgerSettings } from '../project/project.ts'
import { approvalsOf } from './approvals.ts'
import { auditOf } from './audit.ts'
import type { Answer, Database, Send } from './database.ts'
import { groupCommit } from './group-commit.ts'
import { holdsOf } from './holds.ts'
import { leasesOf } from './leases.ts'
import type { Ledger } from './ledger.ts'
import { optOutsOf } from './opt-outs.ts'
import { isPostgresLedger, openPostgres } from './postgres.ts'
import type { PostgresLedgerSettings } from './postgres-address.ts'
import { requestsOf } from './requests.ts'
import { dueTimesOf, runsOf } from './runs.ts'
import { openSqlite } from './sqlite.ts'

export type SqliteLedgerSettings = Extract<LedgerSettings, { readonly type: 'sqlite' }>

/**
 * Opens the ledger and brings it up to date; several processes may do so at once. Its folder is made when it is missing.
 *
 * @throws A5001 the file is damaged or not a ledger, A5002 it is newer than this tool, A5004 it is locked,
 *   A5005 it cannot be written, A5008 it cannot be opened
 */
export async function openLedger(settings: SqliteLedgerSettings): Promise<Ledger> {
  return ledgerOver(await openSqlite(settings.path))
}

/**
 * Opens the ledger that several machines share and brings it up to date. Its schema is made when it is missing.
 *
 * @throws A5020 not reached, A5021 wrong credentials, A5022 a grant is missing, A5024 the server cannot hold one, A5026 TLS,
 *   A5027 the schema is of something else, A5028 no URL; A5002, A5004, A5005 as for a file
 */
export async function openSharedLedger(settings: PostgresLedgerSettings): Promise<Ledger> {
  return ledgerOver(await openPostgres(settings))
}

/** Whether there is one; makes nothing, and throws as opening does. */
export async function isSharedLedger(settings: PostgresLedgerSettings): Promise<boolean> {
  return isPostgresLedger(settings)
}

/** The ledger over an engine that is open already. */
export function ledgerOver(database: Database): Ledger {
  const sends = groupCommit<Send, Answer>(group => database.commit(group))

  return {
    ...leasesOf(database),
    ...runsOf(database),
    ...requestsOf(database),
    ...dueTimesOf(database),
    ...optOutsOf(database),
    ...holdsOf(database),
    ...approvalsOf(database),
    ...auditOf(database),

    async begin(requests, at, lease) {
      const answer = await sends.add({ kind: 'begin', requests, at, lease })
      if (answer.kind === 'begun') return answer.attempts
      throw refusal(answer)
    },

    async conclude(conclusion, lease) {
      const answer = await sends.add({ kind: 'conclude', conclusion, lease })
      if (answer.kind === 'concluded') return answer.won
      throw refusal(answer)
    },

    async close() {
      await sends.idle()
      await database.close()
    },
  }
}

function refusal(answer: Answer): unknown {
  return answer.kind === 'refused' ? answer.error : new TypeError(`a send was answered as ${answer.kind}`)
}
