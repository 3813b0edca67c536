/**
 * Runners within the process of the test: many more crashes and takeovers than with child processes, and at exact places. A crash is an error
 * that is thrown at a failpoint and from then on at every touch of ledger, warehouse and destination, so that nothing more is written.
 */

import type { FailpointName, Failpoints } from '../../src/failpoints/failpoints.ts'
import type { Holder } from '../../src/ledger/ledger.ts'
import { type RunSummary, runSyncs } from '../../src/run.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { type Clock, systemClock } from '../../src/wire.ts'
import { runOptions, type TestProject } from '../e2e/project.ts'

/** The clock on the wall, which a test may put forward for everyone. */
export interface WallClock extends Clock {
  ahead: number
}

export function wallClock(): WallClock {
  const clock = { ahead: 0, now: () => Date.now() + clock.ahead, sleep: systemClock.sleep }
  return clock
}

/** What becomes of one runner. */
export interface Fate extends Failpoints {
  /** Throws once the runner is dead; asked before its every touch of the world. */
  alive(): void
  readonly crashed: boolean
  /** From here on its parts may be closed. */
  bury(): void
}

/** Dies at this hit of the place; never without one. */
export function mortal(at?: { readonly name: FailpointName; readonly hit: number }): Fate {
  let state: 'alive' | 'dead' | 'buried' = 'alive'
  let hits = 0
  const alive = () => {
    if (state === 'dead') throw new Error('the process has died')
  }
  return {
    get crashed() {
      return state !== 'alive'
    },
    alive,
    bury() {
      if (state === 'dead') state = 'buried'
    },
    async reach(name) {
      if (state === 'alive' && name === at?.name) {
        hits += 1
        if (hits === at.hit) state = 'dead'
      }
      alive()
    },
  }
}

export interface Pause extends Failpoints {
  /** Resolves when the runner stands still. */
  readonly reached: Promise<void>
  goOn(): void
}

/** Stands still at this hit of the place, until told to go on. */
export function pausing(at: { readonly name: FailpointName; readonly hit: number }): Pause {
  let hits = 0
  let arrive: () => void = () => undefined
  let goOn: () => void = () => undefined
  const reached = new Promise<void>(resolve => {
    arrive = resolve
  })
  const gate = new Promise<void>(resolve => {
    goOn = resolve
  })
  return {
    reached,
    goOn: () => goOn(),
    async reach(name) {
      if (name !== at.name) return
      hits += 1
      if (hits !== at.hit) return
      arrive()
      await gate
    },
  }
}

let runners = 0

/** Tokens of runners that have died: they are taken over at once. */
const dead = new Set<string>()

export interface RunnerOptions {
  readonly asOf: string
  readonly clock: WallClock
  readonly failpoints?: Failpoints
  /** Shared by several runners, as a server would be; else each opens the file. */
  readonly warehouse?: Warehouse
}

/** Run ids differ, and no backoff lasts longer than it must. */
const hurried = () => Math.random() / 50

/** One call of `activate run`, by a runner of its own. A runner that crashes answers with what nobody would have seen. */
export async function runOnce(project: TestProject, options: RunnerOptions): Promise<readonly RunSummary[]> {
  const { failpoints = mortal(), clock, warehouse } = options
  const fate = 'alive' in failpoints ? (failpoints as Fate) : mortal()
  const wired = await project.open({ failpoints, clock, random: hurried })
  runners += 1
  const number = runners
  const holder: Holder = { host: 'here', pid: process.pid, token: `runner ${number}` }
  const mine = {
    ...wired,
    identity: { holder, isGone: (other: Holder) => dead.has(other.token) },
    warehouse: async () =>
      mortalWarehouse(warehouse === undefined ? await wired.warehouse() : sessionOf(warehouse, number), fate),
    warehouseIsOpen: () => warehouse !== undefined || wired.warehouseIsOpen(),
  }
  try {
    const { runs } = await runSyncs(mine, wired.project.syncs, runOptions(options.asOf))
    return runs
  } finally {
    if (fate.crashed) dead.add(holder.token)
    fate.bury()
    await wired.close()
  }
}

/** Scratch tables belong to a session; here all runners share one connection. */
function sessionOf(warehouse: Warehouse, number: number): Warehouse {
  const scratch = (name: string) => warehouse.dialect.scratch(`${name}__${number}`)
  return { ...mortalWarehouse(warehouse, mortal()), dialect: { ...warehouse.dialect, scratch } }
}

function mortalWarehouse(warehouse: Warehouse, { alive }: Fate): Warehouse {
  const living =
    <Arguments extends readonly unknown[], Result>(work: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      alive()
      return work(...args)
    }
  return {
    dialect: warehouse.dialect,
    state: warehouse.state,
    query: living(statement => warehouse.query(statement)),
    stream: (statement, options) => warehouse.stream(statement, options),
    execute: living(statement => warehouse.execute(statement)),
    transaction: living((statements, beforeCommit) => warehouse.transaction(statements, beforeCommit)),
    describe: living(select => warehouse.describe(select)),
    tables: living((schema, prefix) => warehouse.tables(schema, prefix)),
    columns: living(schema => warehouse.columns(schema)),
    load: living((relation, columns, rows) => warehouse.load(relation, columns, rows)),
    close: () => warehouse.close(),
  }
}
