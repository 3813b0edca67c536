/** Executes what a compiled project asks for before its models can be computed. */

import { seedCsv } from '../warehouse/seed.ts'
import { raw, render } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'
import type { CompiledProject } from './compile.ts'

/** One of `statementsFor` and its like; one that stands for a file loads it. */
export async function makeStatement(
  warehouse: Warehouse,
  compiled: Pick<CompiledProject, 'loadOf'>,
  statement: string,
): Promise<void> {
  const load = compiled.loadOf(statement)
  if (load === undefined) return warehouse.execute(render(raw(statement), warehouse.dialect.placeholder))
  const { source, path, scratch } = load
  await seedCsv(warehouse, { name: source.name, path, columns: source.columns, relation: { scratch } })
}
