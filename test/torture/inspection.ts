/** What a project's own state says, read through the ports, so that it holds for every ledger and warehouse. */
import type { RequestState } from '../../src/ledger/request.ts'
import { snapshotRelation, stateRelation } from '../../src/plan/state.ts'
import { loadProject } from '../../src/project/load.ts'
import { render, sql } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { wire } from '../../src/wire.ts'

export interface Inspection {
  /** Fields as last acknowledged, of everyone who is in. */
  readonly snapshot: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly parked: ReadonlySet<string>
  readonly unsettledRuns: readonly string[]
  readonly requests: readonly { readonly requestId: string; readonly state: RequestState }[]
  readonly outboxes: readonly string[]
  /** Sends that caps count although they are not settled. */
  readonly reservations: number
}

/** Opens everything itself, unless the warehouse is open already. */
export async function inspectState(root: string, sync: string, open?: Warehouse): Promise<Inspection> {
  const wired = wire(await loadProject(root, { env: process.env }), { env: process.env })
  try {
    const [warehouse, ledger] = [open ?? (await wired.warehouse()), await wired.ledger()]
    const { dialect, state } = warehouse
    const read = (query: Parameters<typeof render>[0]) => warehouse.query(render(query, dialect.placeholder))
    const members = await read(
      sql`select key, payload from ${snapshotRelation(dialect, state, sync)} where standing = 'member'`,
    )
    const unresolved = await read(
      sql`select key from ${stateRelation(dialect, state, 'unresolved')} where sync = ${sync}`,
    )
    const [reserved] = await read(sql`select count(*) as n from ${stateRelation(dialect, state, 'reservations')}`)
    const runs = await ledger.runs({ sync })
    const requests = await Promise.all(runs.map(({ runId }) => ledger.requests(runId)))
    return {
      snapshot: new Map(members.map(({ key, payload }) => [String(key), JSON.parse(String(payload))])),
      parked: new Set(unresolved.map(({ key }) => String(key))),
      unsettledRuns: runs.filter(({ settled }) => !settled).map(({ runId }) => runId),
      requests: requests.flat().map(({ requestId, state: at }) => ({ requestId, state: at })),
      reservations: Number(reserved?.n),
      outboxes: await warehouse.tables(state, 'outbox__'),
    }
  } finally {
    await wired.close()
  }
}
