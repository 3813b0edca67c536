/**
 * The stage: a sync's model computed once, into a scratch table, and checked before anything is planned from it. What
 * comes out is what the rest of planning needs to know of tonight's rows.
 */
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, Sync } from '../project/project.ts'
import type { Column, Dialect, TableOptions } from '../warehouse/dialect.ts'
import { type Fragment, raw, render } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { missingColumn } from './columns.ts'
import { type MappedField, mapFields } from './mapping.ts'
import {
  type Ahead,
  badKeyTests,
  countNotFinite,
  duplicateKeys,
  goodRows,
  keyExpression,
  lookOver,
  lookOverAhead,
  readNotFinite,
  sampleBadKeys,
  selectDigests,
  selectPopulation,
} from './population.ts'
import {
  type BrokenTest,
  countQuarantined,
  type JudgedRows,
  type Quarantine,
  readQuarantine,
  selectQuarantined,
} from './quarantine.ts'
import { removesLeavers } from './rules/mode.ts'
import { markOfSnapshot } from './snapshot-mark.ts'
import { aheadOf, modelRows, partColumn, selectAhead, standsInTheWay } from './stage-ahead.ts'

export interface Stage {
  readonly relation: Fragment
  /** Those of the model. */
  readonly columns: readonly Column[]
  /** What stands beside them, where the engine bills by column. */
  readonly ahead?: Ahead | undefined
  readonly compared?: Compared | undefined
}

/** The stage as it was compared with the snapshot (stage-ahead.ts). */
export interface Compared {
  /** With rows of those who may leave, and all that the snapshot had of whoever is not as it had them. */
  readonly table: Fragment
  /** Of the snapshot just before; undefined where nobody can tell whether it has moved since. */
  readonly mark: string | undefined
}

export interface StagedPopulation {
  /** Select of `key`, `payload` and `digest`. */
  readonly populated: Fragment
  /** Select of `key` and `digest`, at least: the cheapest that there is. */
  readonly digests: Fragment
  readonly modelRows: number
  /** Undefined when every row is good. */
  readonly quarantine: Quarantine | undefined
  readonly stage: Stage
  /** Relation, or select in parentheses, of the staged rows that are not quarantined. */
  readonly rows: Fragment
  /** The canonical key of a row. */
  readonly key: Fragment
  readonly fields: readonly MappedField[]
}

export async function query(warehouse: Warehouse, statement: Fragment): Promise<readonly Row[]> {
  return warehouse.query(render(statement, warehouse.dialect.placeholder))
}

export async function execute(warehouse: Warehouse, statement: Fragment): Promise<void> {
  await warehouse.execute(render(statement, warehouse.dialect.placeholder))
}

/** Writes `select` to a scratch table of this name and returns its relation. `parts`: a column by which an engine may lay rows apart. */
export async function writeScratch(
  warehouse: Warehouse,
  name: string,
  select: Fragment,
  parts?: string,
): Promise<Fragment> {
  const relation = warehouse.dialect.scratch(name)
  await writeTable(warehouse, relation, select, { scratch: true, ...(parts !== undefined && { parts }) })
  return raw(relation)
}

/** Writes `select` to a new table, and lets the engine look at what it holds. */
export async function writeTable(
  warehouse: Warehouse,
  relation: string,
  select: Fragment,
  options: TableOptions,
): Promise<void> {
  const { dialect } = warehouse
  await execute(warehouse, dialect.createTableAs(relation, select, options))
  const statistics = dialect.statistics(relation)
  if (statistics !== undefined) await execute(warehouse, raw(statistics))
}

/** For whom a stage is written: what its rows are keyed by and mapped to, and the snapshot that they are compared with. */
export interface StagedFor {
  readonly model: Pick<Model, 'key'>
  readonly sync: Pick<Sync, 'fields' | 'name' | 'mode'>
  readonly snapshot: Fragment
}

/** Computes the model once. Everything after reads the stage, so a second look cannot see other data. */
export async function materialise(
  warehouse: Warehouse,
  name: string,
  compiled: string,
  purpose?: StagedFor,
): Promise<Stage> {
  if (warehouse.dialect.billsByColumn && purpose !== undefined) {
    const { dialect } = warehouse
    const columns = await warehouse.describe(compiled)
    const select = selectStageAhead(dialect, compiled, columns, purpose)
    const mark = await markOfSnapshot(warehouse, purpose.sync.name)
    const table = select === undefined ? undefined : await writeAhead(warehouse, name, select)
    const names = columns.map(column => column.name)
    if (table !== undefined)
      return {
        ...{ relation: modelRows(dialect, table, names), columns, ahead: aheadOf(dialect) },
        compared: { table, mark },
      }
  }
  const relation = await writeScratch(warehouse, name, raw(compiled))
  return { relation, columns: await warehouse.describe(`select * from ${relation.texts[0]}`) }
}

/**
 * Undefined when the statement fails: a field may not be computed of a row that the checks are to leave out. The stage is written without
 * then, which fails for what is wrong with the model itself. What fails bills nothing.
 */
async function writeAhead(warehouse: Warehouse, name: string, select: Fragment): Promise<Fragment | undefined> {
  try {
    return await writeScratch(warehouse, name, select, partColumn)
  } catch (error) {
    if (error instanceof ActivateError && error.problems.every(({ code }) => code === 'A3010')) return undefined
    throw error
  }
}

/** Undefined for a model that lacks what the sync names, which `checkPopulation` refuses, or that has such columns itself. */
function selectStageAhead(
  dialect: Dialect,
  compiled: string,
  columns: readonly Column[],
  { model, sync, snapshot }: StagedFor,
): Fragment | undefined {
  const keys = model.key.flatMap(name => columns.find(column => column.name === name) ?? [])
  const { fields, problems } = mapFields(dialect, sync, columns)
  if (problems.length > 0 || keys.length < model.key.length) return undefined
  const names = columns.map(column => column.name)
  if (names.some(standsInTheWay) || new Set(names).size < names.length) return undefined
  const key = keyExpression(dialect, keys)
  const removes = removesLeavers(sync)
  return selectAhead(dialect, { model: raw(compiled), columns: names, key, fields, snapshot, removesLeavers: removes })
}

/** Writes what breaks the tests to a scratch table of this name. */
export async function quarantineRows(warehouse: Warehouse, name: string, judged: JudgedRows): Promise<Quarantine> {
  const relation = await writeScratch(warehouse, name, selectQuarantined(warehouse.dialect, judged))
  return readQuarantine(relation, await query(warehouse, countQuarantined(warehouse.dialect, judged)))
}

/**
 * Checks keys and mapped fields; throws A4001 to A4004 with samples, so that nothing is ever planned from bad rows. Rows
 * that break one of the tests are left out, and with them those of bad keys when the sync says so.
 */
export async function checkPopulation(
  warehouse: Warehouse,
  scratchName: string,
  stage: Stage,
  model: Pick<Model, 'name' | 'key' | 'place'>,
  sync: Sync,
  brokenTests: readonly BrokenTest[] = [],
): Promise<StagedPopulation> {
  const { dialect } = warehouse
  const { ahead } = stage
  const key = ahead?.key ?? keyExpression(dialect, keyColumns(model, stage.columns))
  const { fields, problems } = mapFields(dialect, sync, stage.columns)
  if (problems.length > 0) throw new ActivateError('failed', problems)

  const [counts = {}] = await query(
    warehouse,
    ahead === undefined
      ? lookOver(dialect, stage.relation, key, fields)
      : lookOverAhead(dialect, stage.relation, ahead),
  )
  const modelRows = Number(counts.row_count)
  const goodKeys = Number(counts.missing) === 0 && modelRows === Number(counts.keys)
  if (!goodKeys && sync.onBadKey === 'fail') await refuseBadKeys(warehouse, stage, key, model)
  const duplicates = `duplicates__${scratchName}`
  const ofKeys = goodKeys
    ? []
    : badKeyTests(key, await writeScratch(warehouse, duplicates, duplicateKeys(stage.relation, key)))
  const broken = [...ofKeys, ...brokenTests]
  const judged = { ...stage, key, broken }
  const quarantine =
    broken.length === 0 ? undefined : await quarantineRows(warehouse, `quarantine__${scratchName}`, judged)
  const rows = goodRows(dialect, stage.relation, key, quarantine?.relation)
  const suspected = ahead === undefined ? readNotFinite(counts, fields).length : Number(counts.not_finite)
  if (suspected > 0) {
    const [remaining = {}] = await query(warehouse, countNotFinite(dialect, rows, fields))
    refuseNotFinite(readNotFinite(remaining, fields), sync)
  }
  const from = { stage: stage.relation, key, fields, quarantined: quarantine?.relation }
  const populated = selectPopulation(dialect, from)
  const digests = ahead === undefined ? populated : selectDigests(dialect, { ...from, ahead })
  return { populated, digests, ...{ rows, modelRows, quarantine, stage, key, fields } }
}

function keyColumns(model: Pick<Model, 'name' | 'key' | 'place'>, columns: readonly Column[]): readonly Column[] {
  const byName = new Map(columns.map(column => [column.name, column]))
  const missing = model.key.filter(name => !byName.has(name))
  if (missing.length > 0)
    throw new ActivateError(
      'failed',
      missing.map((name): Problem => ({ ...missingColumn(name, byName), place: model.place })),
    )
  return model.key.flatMap(name => byName.get(name) ?? [])
}

function refuseNotFinite(bad: ReturnType<typeof readNotFinite>, sync: Sync): void {
  if (bad.length === 0) return
  throw new ActivateError(
    'failed',
    bad.map(({ field, count }): Problem => {
      const place = sync.fields.find(mapping => mapping.field === field)?.place ?? sync.place
      return {
        code: 'A4003',
        message: `field "${field}" is NaN or infinite in ${count} row${count === 1 ? '' : 's'}`,
        place,
        help: 'guard the division in the model, for instance with nullif(x, 0)',
      }
    }),
  )
}

/** Passes when the suspicion was no more than two keys with one hash. */
async function refuseBadKeys(
  warehouse: Warehouse,
  stage: Stage,
  key: Fragment,
  model: Pick<Model, 'name' | 'key' | 'place'>,
): Promise<void> {
  const samples = await query(warehouse, sampleBadKeys(stage.relation, key, 5))
  if (samples.length === 0) return
  const shown = samples.map(({ key: value, occurrences }) =>
    value === null
      ? `null (${occurrences} rows)`
      : value === ''
        ? `empty (${occurrences} rows)`
        : `"${value}" (${occurrences} rows)`,
  )
  throw new ActivateError('failed', {
    code: 'A4001',
    message: `model "${model.name}" has bad keys in ${model.key.join(', ')}: ${shown.join(', ')}`,
    place: model.place,
    help: 'a key must be present and occur once; mend the model, or set on_bad_key: quarantine in the sync',
  })
}
