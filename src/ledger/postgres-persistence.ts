/**
 * Work on a connection that may be lost. A run lasts for hours and must outlive a server that restarts, so what was lost is
 * done again on another connection; but first the lost session is ended, because what it was told may still be under way,
 * and the work is told that it may have been done already.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { abandon, type Connection, endSession, type Session } from './postgres-connection.ts'
import { isLost, isPassing } from './postgres-failure.ts'

/** Milliseconds between two attempts: the first, and the longest. */
const pauses = { first: 50, longest: 1_000 }

/**
 * Runs `work` on a connection until it is answered. `again` says that an earlier answer was lost: what was asked may have
 * been done already. Rejects with what the last attempt failed by.
 */
export type Persistently = <Result>(
  work: (connection: Connection, again: boolean) => Promise<Result>,
) => Promise<Result>

/**
 * `patience`: milliseconds for which a connection is tried anew. It counts from the first loss, for all work together, so
 * that a server that is gone is not waited for again by each thing that is still to be recorded.
 */
export function persistentlyOver(knex: Knex, patience: number): Persistently {
  let lostSince: number | undefined

  async function withConnection<Result>(
    work: (connection: Connection) => Promise<Result>,
    lose: Lose,
  ): Promise<Result> {
    const connection: Connection = await knex.client.acquireConnection()
    try {
      return await work(connection)
    } catch (error) {
      if (isLost(error)) {
        if (connection.session !== undefined) lose(connection.session)
        abandon(connection)
      }
      throw error
    } finally {
      await knex.client.releaseConnection(connection)
    }
  }

  return async work => {
    let lost: readonly Session[] = []
    let pause = pauses.first
    for (let again = false; ; again = true) {
      try {
        return await withConnection(
          async connection => {
            for (const session of lost) await endSession(connection, session)
            lost = []
            const result = await work(connection, again)
            lostSince = undefined
            return result
          },
          session => {
            lost = [...lost, session]
          },
        )
      } catch (error) {
        if (!isLost(error) && !isPassing(error)) {
          lostSince = undefined
          throw error
        }
        lostSince ??= performance.now()
        if (performance.now() + pause > lostSince + patience) throw error
      }
      await sleep(pause)
      pause = Math.min(2 * pause, pauses.longest)
    }
  }
}

type Lose = (session: Session) => void
