/** Holds: what may not run until somebody releases it. */
import { appendEntry, lockTrail } from './audit.ts'
import type { Database } from './database.ts'
import type { Governance, Hold } from './governance.ts'

interface HoldRow {
  ordinal: number
  scope: string
  reason: string
  actor: string
  at: number
  released_at: number | null
  released_by: string | null
}

export function holdsOf(database: Database): Pick<Governance, 'hold' | 'releaseHold' | 'holds'> {
  const { knex } = database
  const inForce = () => knex<HoldRow>('holds').whereNull('released_at')

  return {
    hold: hold =>
      database.write(async bind => {
        await lockTrail(database, bind)
        const { scope, reason, actor, at } = hold
        const before = await bind(inForce().where({ scope }).first())
        if (before !== undefined) return { hold: holdOf(before), already: true }
        await bind(knex<HoldRow>('holds').insert({ scope, reason, actor, at }))
        await appendEntry(database, bind, { actor, at, action: 'hold', subject: scope, detail: { reason } })
        return { hold, already: false }
      }),

    releaseHold: (scope, { actor, at, reason }) =>
      database.write(async bind => {
        await lockTrail(database, bind)
        const before = await bind(inForce().where({ scope }).first())
        if (before === undefined) return undefined
        const released = { released_at: at, released_by: actor }
        await bind(knex<HoldRow>('holds').where({ ordinal: before.ordinal }).update(released))
        const detail = { reason, held_by: before.actor, held_at: new Date(before.at).toISOString() }
        await appendEntry(database, bind, { actor, at, action: 'release', subject: scope, detail })
        return holdOf(before)
      }),

    async holds() {
      const rows: readonly HoldRow[] = await database.read(inForce().orderBy('ordinal'))
      return rows.map(holdOf)
    },
  }
}

function holdOf({ scope, reason, actor, at }: HoldRow): Hold {
  return { scope, reason, actor, at }
}
