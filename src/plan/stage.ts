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
  countKeys,
  countNotFinite,
  countQuarantined,
  duplicateKeys,
  keyExpression,
  sampleBadKeys,
  selectGood,
  selectPopulation,
} from './population.ts'

export interface Stage {
  readonly relation: Fragment
  readonly columns: readonly Column[]
}

export interface StagedPopulation {
  /** Select of `key` and `payload`, of everyone or of the keys that a select returns. */
  readonly select: (only?: Fragment) => Fragment
  readonly modelRows: number
  readonly quarantined: number
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
  await execute(warehouse, warehouse.dialect.createTableAs(relation, select, { scratch: true }))
  return raw(relation)
}

/** Computes the model once. Everything after reads the stage, so a second look cannot see other data. */
export async function materialise(warehouse: Warehouse, name: string, compiled: string): Promise<Stage> {
  const relation = await writeScratch(warehouse, name, raw(compiled))
  return { relation, columns: await warehouse.describe(`select * from ${relation.texts[0]}`) }
}

/** Checks keys and mapped fields; throws A4001 to A4004 with samples, so that nothing is ever planned from bad rows. */
export async function checkPopulation(
  warehouse: Warehouse,
  scratchName: string,
  stage: Stage,
  model: Pick<Model, 'name' | 'key' | 'place'>,
  sync: Sync,
): Promise<StagedPopulation> {
  const { dialect } = warehouse
  const key = keyExpression(dialect, keyColumns(model, stage.columns))
  const { fields, problems } = mapFields(dialect, sync, stage.columns)
  if (problems.length > 0) throw new ActivateError('failed', problems)
  await checkFinite(warehouse, stage, fields, sync)

  const [counts] = await query(warehouse, countKeys(stage.relation, key))
  const modelRows = Number(counts?.row_count)
  const good = Number(counts?.missing) === 0 && modelRows === Number(counts?.keys)
  if (good) {
    return { select: selectFrom(undefined), modelRows, quarantined: 0, stage, rows: stage.relation, key, fields }
  }
  if (sync.onBadKey === 'fail') throw await badKeys(warehouse, stage, key, model)
  const duplicates = await writeScratch(warehouse, `duplicates__${scratchName}`, duplicateKeys(stage.relation, key))
  const [quarantined] = await query(warehouse, countQuarantined(stage.relation, key, duplicates))
  const left = { modelRows, quarantined: Number(quarantined?.row_count) }
  return {
    select: selectFrom(duplicates),
    ...left,
    stage,
    rows: selectGood(stage.relation, key, duplicates),
    key,
    fields,
  }

  function selectFrom(without: Fragment | undefined): StagedPopulation['select'] {
    const from = { stage: stage.relation, key, fields, duplicates: without }
    return only => selectPopulation(dialect, only === undefined ? from : { ...from, only })
  }
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

async function checkFinite(
  warehouse: Warehouse,
  stage: Stage,
  fields: readonly MappedField[],
  sync: Sync,
): Promise<void> {
  const statement = countNotFinite(warehouse.dialect, stage.relation, fields)
  if (statement === undefined) return
  const [counts = {}] = await query(warehouse, statement)
  const bad = Object.entries(counts).filter(([, count]) => Number(count) > 0)
  if (bad.length === 0) return
  throw new ActivateError(
    'failed',
    bad.map(([field, count]): Problem => {
      const place = sync.fields.find(mapping => mapping.field === field)?.place ?? sync.place
      return {
        code: 'A4003',
        message: `field "${field}" is NaN or infinite in ${count} row${Number(count) === 1 ? '' : 's'}`,
        place,
        help: 'guard the division in the model, for instance with nullif(x, 0)',
      }
    }),
  )
}

async function badKeys(
  warehouse: Warehouse,
  stage: Stage,
  key: Fragment,
  model: Pick<Model, 'name' | 'key' | 'place'>,
): Promise<ActivateError> {
  const samples = await query(warehouse, sampleBadKeys(stage.relation, key, 5))
  const shown = samples.map(({ key: value, occurrences }) =>
    value === null
      ? `null (${occurrences} rows)`
      : value === ''
        ? `empty (${occurrences} rows)`
        : `"${value}" (${occurrences} rows)`,
  )
  return new ActivateError('failed', {
    code: 'A4001',
    message: `model "${model.name}" has bad keys in ${model.key.join(', ')}: ${shown.join(', ')}`,
    place: model.place,
    help: 'a key must be present and occur once; mend the model, or set on_bad_key: quarantine in the sync',
  })
}
