/** All that the ledger holds of runs and requests. */
import { loadProject } from '../../src/project/load.ts'
import { wire } from '../../src/wire.ts'

export async function recordOf(root: string): Promise<unknown> {
  const wired = wire(await loadProject(root, { env: process.env }), { env: process.env })
  const ledger = await wired.ledger()
  const runs = await ledger.runs({})
  const requests = await Promise.all(runs.map(({ runId }) => ledger.requests(runId)))
  const leases = await ledger.leases(Date.now())
  await wired.close()
  return { runs, requests, leases }
}
