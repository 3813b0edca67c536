/**
 * Leases: who may run a sync now. They are kept on the ledger's clock and told on the caller's, so that a machine whose
 * clock is wrong neither loses a lease early nor holds one for ever.
 */
import type { Bind, Database } from './database.ts'
import { refuseOldFence } from './fence.ts'
import type { Lease, LeaseAnswer, Ledger } from './ledger.ts'
import { holderOf, type LeaseRow, leaseOf } from './rows.ts'
import { endTurns } from './turns.ts'

export function leasesOf(database: Database): Pick<Ledger, 'acquire' | 'renew' | 'release' | 'leases' | 'clockAhead'> {
  const { knex } = database

  return {
    acquire: (scope, holder, now, ttl, isGone) =>
      database.write(async (bind): Promise<LeaseAnswer> => {
        const held = await bind(knex<LeaseRow>('leases').where({ scope }).first())
        const ahead = await aheadOf(now, bind)
        const gone = held !== undefined && held.released === 0 && isGone(holderOf(held))
        if (held !== undefined && !gone && isHeld(held, now + ahead)) {
          return { kind: 'locked', by: holderOf(held), until: held.expires_at - ahead }
        }
        if (held !== undefined && gone) await endTurns(database, bind, held.token, now)
        const fence = (held?.fence ?? 0) + 1
        const row: LeaseRow = {
          ...{ scope, ...holderOf(holder), fence },
          ...{ acquired_at: now + ahead, expires_at: now + ahead + ttl, released: 0 },
        }
        await bind(knex<LeaseRow>('leases').insert(row).onConflict('scope').merge())
        const lease = leaseOf(row, ahead)
        if (held === undefined || held.released === 1) return { kind: 'acquired', lease }
        return { kind: 'acquired', lease, from: holderOf(held) }
      }),

    renew: (lease, now, ttl) =>
      database.write(async bind => {
        const { scope, fence } = lease
        const expires_at = now + (await aheadOf(now, bind)) + ttl
        const renewed = await bind(knex<LeaseRow>('leases').where({ scope, fence, released: 0 }).update({ expires_at }))
        if (renewed === 0) refuseOldFence(lease, undefined)
        return { ...lease, expiresAt: now + ttl }
      }),

    release: ({ scope, fence }) =>
      database.write(async bind => {
        await bind(knex<LeaseRow>('leases').where({ scope, fence }).update({ released: 1 }))
      }),

    async leases(now) {
      const ahead = await aheadOf(now)
      const rows: readonly LeaseRow[] = await database.read(
        knex<LeaseRow>('leases').where({ released: 0 }).orderBy('scope'),
      )
      return rows.map(row => leaseOf(row, ahead))
    },

    clockAhead: now => aheadOf(now),
  }

  async function aheadOf(now: number, bind?: Bind): Promise<number> {
    const query = knex.select(knex.raw('? as at', [database.clock(now)])).first()
    const { at }: { readonly at: number } = bind === undefined ? await database.read(query) : await bind(query)
    return at - now
  }
}

function isHeld(lease: LeaseRow, now: number): boolean {
  return lease.released === 0 && lease.expires_at > now
}

/** Throws A5003 unless the lease is the newest of its scope; asked inside the write that it guards. */
export async function guard(database: Database, bind: Bind, lease: Lease): Promise<void> {
  const row = await bind(database.knex<LeaseRow>('leases').where({ scope: lease.scope }).first('fence'))
  refuseOldFence(lease, row?.fence)
}
