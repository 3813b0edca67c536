/** The contracts that gate a run: what breaks one stops it, is left out, or is only counted, as `on_violation` says. */
import type { Contract } from '../models/analysis.ts'
import { type CheckResult, checkContract, checkProblem } from '../models/checks.ts'
import type { ContractScope } from '../models/contract.ts'
import { judgeDrift, type RememberedColumns, rememberColumns, selectLastColumns } from '../plan/drift.ts'
import type { BrokenTest } from '../plan/quarantine.ts'
import { query, type Stage } from '../plan/stage.ts'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, OnViolation, Sync } from '../project/project.ts'
import type { Fragment } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'

export interface ContractVerdict {
  /** What stops every sync that needs these rows. */
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
  /** Tests whose rows are to be left out. */
  readonly broken: readonly BrokenTest[]
}

interface Rows extends Contract {
  readonly name: string
  readonly onViolation: OnViolation
}

/**
 * Asks all declared columns and tests of rows that stand in `relation` (SQL text to select from). A missing column, a wrong
 * type and a test that cannot be computed always stop; so does a test of the relation as a whole under `quarantine`,
 * because no single row is to blame.
 */
export async function judgeContract(
  warehouse: Warehouse,
  relation: string,
  rows: Rows,
  scope: ContractScope,
): Promise<ContractVerdict> {
  const { problems, results } = await checkContract(warehouse, relation, rows, scope)
  const stopping: Problem[] = [...problems]
  const warnings: string[] = []
  const broken: BrokenTest[] = []
  for (const result of results) {
    const problem = checkProblem(result, rows.name)
    if (problem === undefined) continue
    const offends = rows.onViolation === 'quarantine' ? result.check.offends : undefined
    if (result.kind === 'failed' && offends !== undefined) broken.push({ reason: result.check.id, offends })
    else if (result.kind === 'failed' && rows.onViolation === 'warn') warnings.push(warningOf(result, problem))
    else stopping.push(problem)
  }
  return { problems: stopping, warnings, broken }
}

function warningOf({ check }: CheckResult, { message }: Problem): string {
  return check.offends === undefined ? message : `${message}, and counts all the same (on_violation: warn)`
}

/**
 * The staged model's contract. A sync that quarantines bad keys deals with them by itself, so the model's own tests that say
 * the same of a key do not stop it.
 */
export function judgeModel(
  warehouse: Warehouse,
  model: Model,
  stage: Stage,
  sync: Pick<Sync, 'onBadKey' | 'onViolation'>,
  scope: ContractScope,
): Promise<ContractVerdict> {
  const contract = sync.onBadKey === 'quarantine' ? withoutKeyTests(model) : model
  const rows = { ...contract, onViolation: sync.onViolation ?? model.onViolation }
  return judgeContract(warehouse, stage.relation.texts[0] ?? '', rows, scope)
}

/** A column of a composite key may repeat, so `unique` of it says something else. */
function withoutKeyTests(model: Model): Model {
  const implied = model.key.length === 1 ? ['not_null', 'unique'] : ['not_null']
  const columns = model.columns.map(column =>
    model.key.includes(column.name)
      ? { ...column, tests: column.tests.filter(({ test }) => !implied.includes(test)) }
      : column,
  )
  return { ...model, columns }
}

export interface ColumnsTonight {
  /** JSON for the next run to compare with; undefined when there is no row, and so nothing to tell types by. */
  readonly columns: string | undefined
  readonly notes: readonly string[]
}

/** Throws A4050 when a column in use has another type than at the last run. */
export async function refuseDrift(
  warehouse: Warehouse,
  runs: Fragment,
  sync: Sync,
  model: Model,
  staged: { readonly stage: Stage; readonly modelRows: number },
): Promise<ColumnsTonight> {
  if (staged.modelRows === 0) return { columns: undefined, notes: [] }
  const columns = JSON.stringify(rememberColumns(staged.stage.columns))
  const [last] = await query(warehouse, selectLastColumns(runs, sync.name))
  if (last === undefined) return { columns, notes: [] }
  const before = JSON.parse(String(last.columns)) as RememberedColumns
  const { problems, notes } = judgeDrift(sync, model, before, staged.stage.columns)
  if (problems.length > 0) throw new ActivateError('failed', problems)
  return { columns, notes }
}
