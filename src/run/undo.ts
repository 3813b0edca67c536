/**
 * Copies of a snapshot as it was before a run changed it, where the engine keeps such a copy without a second table. They are for a
 * person to go back to (docs/guides/bigquery.md); nothing of this tool reads them, and they end by themselves.
 */
import { countMoving } from '../plan/settle.ts'
import { execute, query } from '../plan/stage.ts'
import type { Sync } from '../project/project.ts'
import { type Fragment, raw } from '../warehouse/sql.ts'
import type { Warehouse } from '../warehouse/warehouse.ts'

const prefix = 'undo__'

/** BigQuery takes 50 copies of a table a day, and a sync may run every minute: one that is younger than this is near enough. */
const between = 30 * 60_000

/** `outcomesOfChanges`: what the settle is about to move. Repeating it, also by another runner, keeps the first copy. */
export async function keepForUndo(
  { warehouse, sync, run }: { warehouse: Warehouse; sync: Sync; run: { runId: string; startedAt: number } },
  snapshot: Fragment,
  outcomesOfChanges: Fragment,
): Promise<void> {
  const { dialect, state } = warehouse
  const copy = dialect.relation([...state, `${prefix}${run.runId}`])
  const keeping = dialect.copies?.keep(snapshot.texts[0] ?? '', copy)
  if (keeping === undefined) return
  const [moving] = await query(warehouse, countMoving({ sync, outcomesOfChanges }))
  if (Number(moving?.n) === 0) return
  const kept = await warehouse.tables(state, `${prefix}${sync.name}__`)
  if (kept.some(name => run.startedAt - madeAt(name, sync) < between)) return
  await execute(warehouse, raw(keeping))
}

/** The copies of a sync's snapshot that there are; those of a sync whose name begins with this one's may be among them. */
export async function copiesOf(warehouse: Warehouse, sync: string): Promise<readonly Fragment[]> {
  const { dialect, state } = warehouse
  const names = dialect.copies === undefined ? [] : await warehouse.tables(state, `${prefix}${sync}__`)
  return names.map(name => raw(dialect.relation([...state, name])))
}

/** Statements that give up all copies: whoever is erased must not come back by them. */
export function dropCopies({ dialect, state }: Warehouse, names: readonly string[]): readonly Fragment[] {
  const { copies } = dialect
  if (copies === undefined) return []
  const theirs = names.filter(name => name.startsWith(prefix))
  return theirs.map(name => raw(copies.drop(dialect.relation([...state, name]))))
}

/** The wall time in the name of its run, in milliseconds; long ago for one of a sync whose name begins with this one's. */
function madeAt(name: string, sync: Pick<Sync, 'name'>): number {
  const [, ...parts] =
    /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)_/.exec(name.slice(`${prefix}${sync.name}__`.length)) ?? []
  const [year = 0, month = 1, ...rest] = parts.map(Number)
  return parts.length === 0 ? Number.NEGATIVE_INFINITY : Date.UTC(year, month - 1, ...rest)
}
