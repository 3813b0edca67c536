import type { ReportedChange } from '../../ledger/report.ts'
import { stateRelation, stateTables } from '../../plan/state.ts'
import { prepareSnapshot, prepareTable } from '../../plan/state-tables.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import {
  assembleStory,
  historyStatement,
  keysStatement,
  type LedgerException,
  type Story,
  type StoryTable,
  standingStatement,
  storyTables,
  tableStatement,
} from '../../report/story.ts'
import type { Row, Warehouse } from '../../warehouse/warehouse.ts'
import type { Wired } from '../../wire.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { maskStory, renderStory } from '../render/story.ts'
import { openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const key = canonicalKey(input.argument('key') ?? '')
  const story = await withWired(invocation, project, wired => readStory(project, wired, key))
  const shown = input.flag('showPii') ? story : maskStory(story)
  await terminal.write(flags.json ? toJson(shown) : `${renderStory(shown, terminal.paint)}\n`)
  return 'ok'
}

/** A composite key is a JSON array of texts without spaces, however it was typed. */
export function canonicalKey(written: string): string {
  if (!written.startsWith('[')) return written
  try {
    const parts: unknown = JSON.parse(written)
    return Array.isArray(parts) ? JSON.stringify(parts.map(String)) : written
  } catch {
    return written // a key may begin with a bracket without being JSON
  }
}

async function readStory(project: Project, wired: Wired, key: string): Promise<Story> {
  const warehouse = await wired.warehouse()
  const present = new Set(await warehouse.tables(warehouse.state, ''))
  const tables = await readTables(warehouse, present, key)
  const keys = new Set([key, ...(tables.decisions ?? []).map(row => String(row.key))])
  return assembleStory({
    key,
    ...(await readPerson(project, warehouse, present, key)),
    tables,
    snapshots: await readSnapshots(warehouse, present, key),
    exceptions: await readExceptions(project, wired, [...keys]),
    reports: await readReports(wired, [...keys]),
  })
}

async function readPerson(
  { identity }: Project,
  warehouse: Warehouse,
  present: ReadonlySet<string>,
  key: string,
): Promise<{ readonly keys: readonly Row[]; readonly history: readonly Row[] }> {
  if (identity === undefined || !present.has('identities')) return { keys: [], history: [] }
  const { dialect, state } = warehouse
  const keys = await warehouse.query(keysStatement(dialect, state, identity.key, key))
  const entity = String(keys[0]?.entity ?? key)
  return { keys, history: await warehouse.query(historyStatement(dialect, state, entity)) }
}

async function readTables(
  warehouse: Warehouse,
  present: ReadonlySet<string>,
  key: string,
): Promise<Partial<Record<StoryTable, readonly Row[]>>> {
  const tables: Partial<Record<StoryTable, readonly Row[]>> = {}
  for (const table of storyTables) {
    if (!present.has(table)) continue
    // One of an earlier version lacks columns that the story is found by.
    await prepareTable(warehouse, stateRelation(warehouse.dialect, warehouse.state, table), stateTables[table])
    tables[table] = await warehouse.query(tableStatement(warehouse.dialect, warehouse.state, table, key))
  }
  return tables
}

/** Also of syncs that the project no longer has. */
async function readSnapshots(
  warehouse: Warehouse,
  present: ReadonlySet<string>,
  key: string,
): Promise<Record<string, readonly Row[]>> {
  const prefix = 'snapshot__'
  const snapshots: Record<string, readonly Row[]> = {}
  for (const table of [...present].filter(name => name.startsWith(prefix)).sort()) {
    const sync = table.slice(prefix.length)
    if (warehouse.dialect.billsByColumn) await prepareSnapshot(warehouse, sync)
    snapshots[sync] = await warehouse.query(standingStatement(warehouse.dialect, warehouse.state, sync, key))
  }
  return snapshots
}

async function readReports(wired: Wired, keys: readonly string[]): Promise<readonly ReportedChange[]> {
  const ledger = await wired.ledger()
  const reports: ReportedChange[] = []
  for (const key of keys) reports.push(...(await ledger.reportsOfKey(key)))
  return reports
}

async function readExceptions(
  project: Project,
  wired: Wired,
  keys: readonly string[],
): Promise<readonly LedgerException[]> {
  const ledger = await wired.ledger()
  const found: LedgerException[] = []
  // Newest first, and the newest word on a change is the one to keep.
  for (const sync of project.syncs)
    for (const key of keys) found.push(...(await ledger.exceptionsOfKey(sync.name, key)).toReversed())
  return found
}
