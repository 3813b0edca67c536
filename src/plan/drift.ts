/**
 * Schema drift: what the model's columns were when the sync last ran, and what they are tonight. A mapped column or a key
 * that silently turns from a number into text would make every row differ, and reach the destination as something else.
 */
import type { Place, Problem } from '../project/problem.ts'
import type { Model, Sync } from '../project/project.ts'
import type { Column } from '../warehouse/dialect.ts'
import { type Fragment, sql } from '../warehouse/sql.ts'
import { columnsOfTemplate } from './field-template.ts'

/** Names to types, as a run remembers them. */
export type RememberedColumns = Readonly<Record<string, Column['type']>>

export interface Drift {
  readonly problems: readonly Problem[]
  /** Deliberate or harmless, and worth a line of the plan. */
  readonly notes: readonly string[]
}

/** One row at most: `columns`, JSON, of the last run that knew them. */
export function selectLastColumns(runs: Fragment, sync: string): Fragment {
  return sql`select columns from ${runs} where sync = ${sync} and columns is not null order by settled_at desc, run_id desc limit 1`
}

export function rememberColumns(columns: readonly Column[]): RememberedColumns {
  return Object.fromEntries(columns.map(({ name, type }) => [name, type]))
}

/** A4050 for each column in use whose type changed, unless the model declares a type for it: that makes it deliberate. */
export function judgeDrift(
  sync: Pick<Sync, 'fields'>,
  model: Pick<Model, 'key' | 'columns' | 'place'>,
  before: RememberedColumns,
  now: readonly Column[],
): Drift {
  const problems: Problem[] = []
  const notes: string[] = []
  const used = columnsInUse(sync, model)
  for (const { name, type } of now) {
    const was = before[name]
    const place = used.get(name)
    if (was === undefined) notes.push(`the model has a new column "${name}" (${type})`)
    else if (was === type || place === undefined) continue
    else if (model.columns.some(column => column.name === name && column.type !== undefined))
      notes.push(`the column "${name}" was ${was} and is ${type} now, as declared: rows that differ are sent again`)
    else if (isNumeric(was) && isNumeric(type)) notes.push(`the column "${name}" was ${was} and is ${type} now`)
    else problems.push(changedType(name, was, type, place))
  }
  return { problems, notes }
}

/** A whole number and another one have the same form in JSON, and a file that holds only whole numbers tonight is no news. */
function isNumeric(type: Column['type']): boolean {
  return type === 'integer' || type === 'number'
}

function changedType(name: string, was: Column['type'], type: Column['type'], place: Place): Problem {
  const declare = `columns: { ${name}: { type: ${type} } }`
  return {
    code: 'A4050',
    message: `the column "${name}" was ${was} when the sync last ran and is ${type} now`,
    place,
    help: `cast it in the model${type === 'other' ? '' : `, or declare there that it is meant: ${declare}`}`,
  }
}

/** Columns of the key and of the mapping, each with the place that uses it. */
function columnsInUse(sync: Pick<Sync, 'fields'>, model: Pick<Model, 'key' | 'place'>): ReadonlyMap<string, Place> {
  const mapped = sync.fields.flatMap(({ from, place }) => {
    const names = 'column' in from ? [from.column] : 'template' in from ? columnsOfTemplate(from.template) : []
    return names.map(name => [name, place] as const)
  })
  return new Map([...model.key.map(name => [name, model.place] as const), ...mapped])
}
