/**
 * A model's or source's contract as SQL: its declared columns, types and tests. Pure; `checks.ts` runs what comes out.
 *
 * NULL breaks `not_null` only: the other tests of a column pass over it. `unique` passes over it as well.
 */
import type { Place, Problem } from '../project/problem.ts'
import type { ColumnContract, ColumnTest, ColumnType, RelationTest, Scalar } from '../project/project.ts'
import { suggestion } from '../project/suggest.ts'
import type { Column, Dialect, Literal } from '../warehouse/dialect.ts'
import { type Fragment, raw } from '../warehouse/sql.ts'
import type { Contract } from './analysis.ts'
import type { ModelsCode } from './codes.ts'
import type { CompiledProject } from './compile.ts'

/** One declared test, ready to be asked. */
export interface Check {
  /** `unique:customer_id`, `row_count`, `sql:no_orphans`; unique within its contract. */
  readonly id: string
  /** What holds when nothing offends: `customer_id is unique`. */
  readonly describes: string
  readonly column?: string
  readonly place: Place
  /** A select of one number: how many rows offend. */
  readonly count: Fragment
  /** A select of up to five of them. */
  readonly samples: Fragment
  /**
   * What holds for a row that offends, over the relation under the name `tested`; `not (…)` of it may be NULL. Undefined for
   * a test of the relation as a whole, which no single row can break.
   */
  readonly offends?: Fragment
  /** Set when the row alone tells: the number of offending rows as an aggregate, so that many tests share one scan. */
  readonly tally?: Fragment
}

/** How a contract's tests find other relations; a compiled project knows. */
export type ContractScope = Pick<CompiledProject, 'relationOf' | 'testSql'>

const sampleLimit = 5

/**
 * The declared tests of a contract over `relation` (SQL text to select from). Throws ActivateError (exit `invalid`) when a
 * test names what does not exist, which compiling the project has ruled out.
 */
export function contractChecks(
  dialect: Dialect,
  relation: string,
  contract: Contract,
  scope: ContractScope,
): readonly Check[] {
  const build: Build = { dialect, relation, scope }
  const checks = [
    ...contract.columns.flatMap(column => column.tests.map(test => columnCheck(build, column, test))),
    ...contract.tests.map(test => relationCheck(build, test, contract.place)),
  ]
  return checks.map((check, index) => ({ ...check, id: distinct(check.id, checks.slice(0, index)) }))
}

interface Build {
  readonly dialect: Dialect
  readonly relation: string
  readonly scope: ContractScope
}

function distinct(id: string, before: readonly Check[]): string {
  const same = before.filter(check => check.id === id).length
  return same === 0 ? id : `${id}:${same + 1}`
}

function columnCheck(build: Build, { name, type, place }: ColumnContract, test: ColumnTest): Check {
  const { dialect, relation, scope } = build
  const column = `tested.${dialect.quote(name)}`
  const about = { id: `${test.test}:${name}`, column: name, place }
  switch (test.test) {
    case 'not_null':
      return { ...about, describes: `${name} is never null`, ...ofRow(relation, `${column} is null`) }
    case 'unique':
      return { ...about, describes: `${name} is unique`, ...repeated(relation, column) }
    case 'accepted_values': {
      const values = test.values.filter(value => value !== null)
      const list = values.map(value => literal(dialect, value, type)).join(', ')
      const outside = values.length === 0 ? '' : ` and ${column} not in (${list})`
      const describes = `${name} is one of ${values.map(value => JSON.stringify(value)).join(', ') || 'nothing but null'}`
      return { ...about, describes, ...ofRow(relation, `${column} is not null${outside}`) }
    }
    case 'between': {
      const [min, max] = [literal(dialect, test.min, type), literal(dialect, test.max, type)]
      const describes = `${name} is between ${test.min} and ${test.max}`
      return { ...about, describes, ...ofRow(relation, `(${column} < ${min} or ${column} > ${max})`) }
    }
    case 'relationships': {
      const parent = `parent.${dialect.quote(test.column)}`
      const parents = raw(`${scope.relationOf(test.to)} as parent`)
      const condition = `${column} is not null and ${dialect.absentFrom(raw(column), parents, parent).texts.join('')}`
      return { ...about, describes: `${name} exists in ${test.to}.${test.column}`, ...offending(relation, condition) }
    }
  }
}

function relationCheck(build: Build, test: RelationTest, place: Place): Check {
  const { relation, scope } = build
  if (test.test === 'sql') {
    const rows = `(\n${scope.testSql(test, relation, place)}\n) as offending`
    const count = raw(`select count(*) as offending from ${rows}`)
    return {
      id: `sql:${test.name}`,
      describes: test.name,
      place,
      count,
      samples: raw(`select * from ${rows} limit ${sampleLimit}`),
    }
  }
  const { min, max } = test
  const outside = [
    ...(min === undefined ? [] : [`count(*) < ${wholeNumber(min)}`]),
    ...(max === undefined ? [] : [`count(*) > ${wholeNumber(max)}`]),
  ]
  const offends = outside.join(' or ') || 'false'
  return {
    id: 'row_count',
    describes: `there are ${rangeText(min, max)} rows`,
    place,
    count: raw(`select case when ${offends} then 1 else 0 end as offending from ${relation} as tested`),
    samples: raw(`select count(*) as row_count from ${relation} as tested`),
  }
}

function rangeText(min: number | undefined, max: number | undefined): string {
  if (min !== undefined && max !== undefined) return min === max ? `exactly ${min}` : `between ${min} and ${max}`
  return max === undefined ? `at least ${min ?? 0}` : `at most ${max}`
}

type Statements = Pick<Check, 'count' | 'samples' | 'offends' | 'tally'>

function ofRow(relation: string, condition: string): Statements {
  return { ...offending(relation, condition), tally: raw(`count(case when ${condition} then 1 end)`) }
}

function offending(relation: string, condition: string): Statements {
  const from = `from ${relation} as tested where ${condition}`
  return {
    count: raw(`select count(*) as offending ${from}`),
    samples: raw(`select * ${from} limit ${sampleLimit}`),
    offends: raw(condition),
  }
}

/** Every row of a repeated value offends, the first one too: nothing says which of them is right. */
function repeated(relation: string, column: string): Statements {
  const groups = `from ${relation} as tested where ${column} is not null group by ${column} having count(*) > 1`
  return {
    count: raw(`select coalesce(sum(times), 0) as offending from (select count(*) as times ${groups}) as repeated`),
    samples: raw(`select ${column}, count(*) as times ${groups} order by 1 limit ${sampleLimit}`),
    offends: raw(`${column} is not null and ${column} in (select ${column} ${groups})`),
  }
}

/** A literal of the column's declared type, so that the warehouse compares like with like. */
function literal(dialect: Dialect, value: Scalar, type: ColumnType | undefined): string {
  if (typeof value !== 'string') return dialect.literal(value)
  const typed: Literal = type === 'date' ? { date: value } : type === 'timestamp' ? { timestamp: value } : value
  return dialect.literal(typed)
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`a number of rows is a whole number, not ${value}`)
  return String(value)
}

/**
 * Declared columns against what the warehouse describes. Missing ones are compared exactly, upper and lower case included;
 * an integer satisfies `number`. Columns that are not declared are nobody's business here.
 */
export function checkColumns(declared: readonly ColumnContract[], described: readonly Column[]): readonly Problem[] {
  const columns = new Map(described.map(column => [column.name, column]))
  return declared.flatMap(({ name, type, place }) => {
    const column = columns.get(name)
    if (column === undefined) return [missing(name, [...columns.keys()], place)]
    if (type === undefined || satisfies(column.type, type)) return []
    const message = `the column "${name}" is declared as ${type}, but is ${column.native}`
    return [
      {
        code: 'A2021' satisfies ModelsCode,
        message,
        place,
        help: `cast it in the SQL, or declare ${column.type === 'other' ? 'no type' : column.type}`,
      },
    ]
  })
}

function missing(name: string, columns: readonly string[], place: Place): Problem {
  const help = suggestion(name, columns, 'columns')
  const message = `there is no column "${name}"`
  return { code: 'A2020' satisfies ModelsCode, message, place, ...(help === undefined ? {} : { help }) }
}

function satisfies(described: Column['type'], declared: ColumnType): boolean {
  return described === declared || (declared === 'number' && described === 'integer')
}
