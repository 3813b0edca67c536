/**
 * The stage: a sync's model computed once, into a scratch table, and checked before anything is planned from it. What
 * comes out is what the rest of planning needs to know of tonight's rows.
 */
import { ActivateError, type Problem } from '../project/problem.ts'
import type { Model, Sync } from '../project/project.ts'
import type { Column } from '../warehouse/dialect.ts'
import { type Fragment, raw, render } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import { missingColumn } from './columns.ts'
import { type MappedField, mapFields } from './mapping.ts'
import {
  badKeyTests,
  countNotFinite,
  duplicateKeys,
  goodRows,
  keyExpression,
  lookOver,
  readNotFinite,
  sampleBadKeys,
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

export interface Stage {
  readonly relation: Fragment
  readonly columns: readonly Column[]
}

export interface StagedPopulation {
  /** Select of `key`, `payload` and `digest`. */
  readonly populated: Fragment
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

/** Writes `select` to a scratch table of this name and returns its relation. */
export async function writeScratch(warehouse: Warehouse, name: string, select: Fragment): Promise<Fragment> {
  const relation = warehouse.dialect.scratch(name)
  await writeTable(warehouse, relation, select, { scratch: true })
  return raw(relation)
}

/** Writes `select` to a new table, and lets the engine look at what it holds. */
export async function writeTable(
  warehouse: Warehouse,
  relation: string,
  select: Fragment,
  options: { readonly scratch: boolean },
): Promise<void> {
  const { dialect } = warehouse
  await execute(warehouse, dialect.createTableAs(relation, select, options))
  const statistics = dialect.statistics(relation)
  if (statistics !== undefined) await execute(warehouse, raw(statistics))
}

/** Computes the model once. Everything after reads the stage, so a second look cannot see other data. */
export async function materialise(warehouse: Warehouse, name: string, compiled: string): Promise<Stage> {
  const relation = await writeScratch(warehouse, name, raw(compiled))
  return { relation, columns: await warehouse.describe(`select * from ${relation.texts[0]}`) }
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
  const key = keyExpression(dialect, keyColumns(model, stage.columns))
  const { fields, problems } = mapFields(dialect, sync, stage.columns)
  if (problems.length > 0) throw new ActivateError('failed', problems)

  const [counts = {}] = await query(warehouse, lookOver(dialect, stage.relation, key, fields))
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
  if (readNotFinite(counts, fields).length > 0) {
    const [remaining = {}] = await query(warehouse, countNotFinite(dialect, rows, fields))
    refuseNotFinite(readNotFinite(remaining, fields), sync)
  }
  const from = { stage: stage.relation, key, fields, quarantined: quarantine?.relation }
  return { populated: selectPopulation(dialect, from), ...{ rows, modelRows, quarantine, stage, key, fields } }
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
