/**
 * A few sessions with one server. Work goes to one that is free, then to a new one, and beyond `max` it queues. A cursor
 * belongs to the session that declared it, but holds it only while rows are fetched: so that whoever reads a stream and asks
 * something meanwhile can never wait for themselves.
 *
 * A session that is lost takes only its own work with it. The next one is made ready anew, and looks first whether what the
 * others left behind is still there (`ready`).
 */
import type pg from 'pg'
import { isLoss } from './postgres-error.ts'

export interface Session {
  readonly client: pg.Client
  /** Process id of the server's backend. */
  readonly pid: number
  readonly lost: () => boolean
  /** Runs alone on this session, in the order of asking. */
  exclusively<T>(work: (client: pg.Client) => Promise<T>): Promise<T>
}

interface Slot {
  readonly session: Promise<Session>
  pending: number
  lost: boolean
}

export interface SessionsOptions {
  readonly max: number
  readonly connect: () => Promise<pg.Client>
  /** Makes a new session ready; the work on it begins when this is done. */
  readonly ready: (client: pg.Client) => Promise<void>
}

export class Sessions {
  readonly #options: SessionsOptions
  #slots: Slot[] = []

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  async run<T>(work: (session: Session, client: pg.Client) => Promise<T>): Promise<T> {
    const slot = this.#choose()
    slot.pending += 1
    try {
      const session = await slot.session
      if (slot.lost) return await this.run(work)
      return await session.exclusively(client => work(session, client))
    } catch (error) {
      // The driver hears that the connection is closed only a moment later, and the next statement must not go there.
      if (isLoss(error)) slot.lost = true
      throw error
    } finally {
      slot.pending -= 1
    }
  }

  /** Backends that have something to do. */
  async busy(): Promise<readonly number[]> {
    const settled = await Promise.allSettled(this.#slots.filter(({ pending }) => pending > 0).map(slot => slot.session))
    return settled.flatMap(result => (result.status === 'fulfilled' ? [result.value.pid] : []))
  }

  /** Ends every session once its work has ended. */
  async end(): Promise<void> {
    const slots = this.#slots
    this.#slots = []
    for (const slot of slots) {
      const session = await slot.session.catch(() => undefined)
      if (session !== undefined && !slot.lost) await session.exclusively(client => client.end())
    }
  }

  #choose(): Slot {
    this.#slots = this.#slots.filter(({ lost }) => !lost)
    const free = this.#slots.find(({ pending }) => pending === 0)
    if (free !== undefined) return free
    if (this.#slots.length < this.#options.max) return this.#open()
    return this.#slots.reduce((least, slot) => (slot.pending < least.pending ? slot : least))
  }

  #open(): Slot {
    const slot: { session: Promise<Session>; pending: number; lost: boolean } = {
      session: Promise.reject(),
      pending: 0,
      lost: false,
    }
    slot.session.catch(() => undefined)
    slot.session = this.#connect(slot)
    slot.session.catch(() => {
      slot.lost = true
    })
    this.#slots.push(slot)
    return slot
  }

  async #connect(slot: Slot): Promise<Session> {
    const client = await this.#options.connect()
    const lose = () => {
      slot.lost = true
    }
    client.once('end', lose)
    client.on('error', lose)
    try {
      await this.#options.ready(client)
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      return session(client, rows[0]?.pid ?? 0, () => slot.lost)
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
  }
}

function session(client: pg.Client, pid: number, lost: () => boolean): Session {
  let turn: Promise<unknown> = Promise.resolve()
  return {
    client,
    pid,
    lost,
    exclusively(work) {
      const result = turn.then(() => work(client))
      turn = result.then(
        () => undefined,
        () => undefined,
      )
      return result
    },
  }
}
