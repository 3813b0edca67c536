/** Puts failpoints around what leaves the process: writes of the ledger, sends, transactions of the warehouse. */
import type { OpenDestination } from '../delivery/open-destination.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import { type Failpoints, type LedgerWrite, noFailpoints } from './failpoints.ts'

export function instrumentLedger(ledger: Ledger, { reach }: Failpoints): Ledger {
  if (reach === noFailpoints.reach) return ledger

  function around<Arguments extends readonly unknown[], Result>(
    name: LedgerWrite,
    write: (...args: Arguments) => Promise<Result>,
  ): (...args: Arguments) => Promise<Result> {
    return async (...args) => {
      await reach(`ledger.${name}.before`)
      const result = await write(...args)
      await reach(`ledger.${name}.after`)
      return result
    }
  }

  return {
    ...ledger,
    acquire: around('acquire', ledger.acquire),
    renew: around('renew', ledger.renew),
    release: around('release', ledger.release),
    startRun: around('startRun', ledger.startRun),
    updateRun: around('updateRun', ledger.updateRun),
    begin: around('begin', ledger.begin),
    conclude: around('conclude', ledger.conclude),
    move: around('move', ledger.move),
  }
}

export function instrumentDestination(destination: OpenDestination, { reach }: Failpoints): OpenDestination {
  if (reach === noFailpoints.reach) return destination
  return {
    ...destination,
    async attempt(prepared, at, hooks) {
      await reach('send.before')
      const onLeaving = () => {
        if (hooks?.onLeaving?.() === false) return false
        // Nothing can wait here: who pauses a run inside the process does it before or after.
        reach('send.leaving').catch(() => undefined)
        return true
      }
      const verdict = await destination.attempt(prepared, at, { ...hooks, onLeaving })
      await reach('send.after')
      return verdict
    },
  }
}

export function instrumentWarehouse(warehouse: Warehouse, { reach }: Failpoints): Warehouse {
  if (reach === noFailpoints.reach) return warehouse
  return {
    dialect: warehouse.dialect,
    state: warehouse.state,
    ...(warehouse.metadata === undefined ? {} : { metadata: warehouse.metadata }),
    ...(warehouse.bill === undefined ? {} : { bill: warehouse.bill }),
    ...(warehouse.tryLargeReads === undefined ? {} : { tryLargeReads: warehouse.tryLargeReads.bind(warehouse) }),
    query: statement => warehouse.query(statement),
    stream: (statement, options) => warehouse.stream(statement, options),
    execute: statement => warehouse.execute(statement),
    transaction: statements => warehouse.transaction(statements, () => reach('transaction.inside')),
    describe: select => warehouse.describe(select),
    tables: (schema, prefix) => warehouse.tables(schema, prefix),
    columns: schema => warehouse.columns(schema),
    load: (relation, columns, rows) => warehouse.load(relation, columns, rows),
    close: () => warehouse.close(),
  }
}
