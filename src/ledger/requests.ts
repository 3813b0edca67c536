/** Requests and the changes that did not simply succeed with them. */
import { appendEntry, lockTrail } from './audit.ts'
import type { Bind, Database } from './database.ts'
import { hashOfKey } from './key-hashes.ts'
import { guard } from './leases.ts'
import type { Lease, Ledger } from './ledger.ts'
import { eventBetween, type RequestState, requestStates, transition } from './request.ts'
import { type ChangeRow, exceptionOf, type RequestRow, requestOf } from './rows.ts'
import type { LedgerKey } from './seal.ts'

/** Engines limit the number of bound values of one statement. */
const idsPerStatement = 500

type RequestsPart = Pick<
  Ledger,
  'move' | 'resolveParked' | 'requests' | 'exceptions' | 'exceptionsOfKey' | 'countByState'
>

export function requestsOf(database: Database, ledgerKey: () => Promise<LedgerKey>): RequestsPart {
  const { knex } = database

  return {
    move: (requestIds, from, to, at, lease) =>
      database.write(async bind => {
        await guard(database, bind, lease)
        refuseNonEdge(from, to)
        return moveAll(database, bind, requestIds, { from, to, at, lease })
      }),

    resolveParked: (requestIds, event, at, lease, entry) =>
      database.write(async bind => {
        await guard(database, bind, lease)
        await lockTrail(database, bind)
        await appendEntry(database, bind, entry)
        const next = transition('parked', event)
        const to = next === 'planned' ? transition(next, 'cancel') : next
        return moveAll(database, bind, requestIds, { from: 'parked', to, at, lease })
      }),

    async requests(runId, states) {
      const query = knex<RequestRow>('requests').where({ run_id: runId }).orderBy('ordinal')
      if (states !== undefined) query.whereIn('state', [...states])
      const rows: readonly RequestRow[] = await database.read(query)
      return rows.map(requestOf)
    },

    async exceptions(runId, states) {
      const query = knex('request_changes as c')
        .join('requests as r', 'r.request_id', 'c.request_id')
        .where('r.run_id', runId)
        .orderBy(['r.ordinal', 'c.seq'])
        .select<ChangeRow[]>('c.*')
      if (states !== undefined) query.whereIn('c.state', [...states])
      const rows: readonly ChangeRow[] = await database.read(query)
      return rows.map(exceptionOf)
    },

    async exceptionsOfKey(sync, key) {
      // Nobody needs a key, and none is made, where there is nothing to find.
      if ((await database.read(knex('request_changes').first('ordinal'))) === undefined) return []
      const hash = hashOfKey(await ledgerKey(), key)
      const query = knex('request_changes as c')
        .join('requests as r', 'r.request_id', 'c.request_id')
        .join('runs', 'runs.run_id', 'r.run_id')
        .where({ 'c.key_hash': hash, 'runs.sync': sync })
        .orderBy([
          { column: 'c.at', order: 'desc' },
          { column: 'c.ordinal', order: 'desc' },
        ])
        .select<(ChangeRow & { run_id: string })[]>('c.*', 'r.run_id')
      const rows: readonly (ChangeRow & { run_id: string })[] = await database.read(query)
      return rows.map(row => ({ ...exceptionOf(row), runId: row.run_id }))
    },

    async countByState(runId) {
      const query = knex('requests')
        .where({ run_id: runId })
        .groupBy('state')
        .select<{ state: RequestState; number: number }[]>('state', knex.raw('count(*) as number'))
      const rows: readonly { state: RequestState; number: number }[] = await database.read(query)
      const counts = new Map(rows.map(row => [row.state, Number(row.number)]))
      return Object.fromEntries(requestStates.map(state => [state, counts.get(state) ?? 0])) as Record<
        RequestState,
        number
      >
    },
  }
}

/** `begin` alone leads to `sending`, and what another runner was sending can only be uncertain. */
function refuseNonEdge(from: RequestState, to: RequestState): void {
  const allowed = from === 'sending' ? to === 'uncertain' : to !== 'sending' && eventBetween(from, to) !== undefined
  if (!allowed) throw new TypeError(`a request that is ${from} cannot be moved to ${to}`)
}

async function moveAll(
  { knex }: Database,
  bind: Bind,
  requestIds: readonly string[],
  move: { readonly from: RequestState; readonly to: RequestState; readonly at: number; readonly lease: Lease },
): Promise<number> {
  const { from, to, at, lease } = move
  let moved = 0
  for (let start = 0; start < requestIds.length; start += idsPerStatement) {
    const query = knex<RequestRow>('requests')
      .whereIn('request_id', requestIds.slice(start, start + idsPerStatement))
      .where({ state: from })
    // Only the runner that lost its lease may have been sending; our own sends are concluded.
    if (from === 'sending') query.where('fence', '<', lease.fence)
    moved += await bind(query.update({ state: to, changed_at: at, next_attempt_at: null, fence: lease.fence }))
  }
  return moved
}
