/**
 * Everything in which warehouses differ, as one plain object of pure functions; every member is required, so that a new
 * warehouse fails to compile rather than at night. Arguments named `expression` are SQL text that has been built by this
 * tool; results are SQL text.
 */
import type { ColumnType, Scalar } from '../project/project.ts'
import type { Fragment } from './sql.ts'

/** Types of the tool's own state columns. `timestamp` is an instant (UTC). */
export type StateType = 'text' | 'bigint' | 'double' | 'boolean' | 'timestamp'

/** A column of a relation as the warehouse describes it. */
export interface Column {
  readonly name: string
  /** The declared type it satisfies; `other` is anything without a counterpart, such as a blob. */
  readonly type: ColumnType | 'other'
  /** The warehouse's own name of the type, such as `DECIMAL(12,2)`. */
  readonly native: string
}

/** A value that a model may name as a literal: the clock's readings carry their type. */
export type Literal = Scalar | { readonly date: string } | { readonly timestamp: string }

export interface TableOptions {
  readonly scratch: boolean
  /**
   * A column of whole numbers from 0 to 3, or NULL, by which rows are laid apart where that is worth something: a select that compares it
   * with a constant reads only where such rows lie.
   */
  readonly parts?: string
}

export interface Dialect {
  readonly name: 'duckdb' | 'postgres' | 'bigquery'
  /** The identifier quoted; throws on an empty one or one that holds a NUL. */
  quote(identifier: string): string
  /** A dotted relation, each part quoted. */
  relation(parts: readonly string[]): string
  /**
   * The relation of a scratch table: what `createTableAs` with `scratch` makes, where no schema of the user is touched. It
   * is seen by every statement of the same open warehouse and by nobody else, and is gone when the warehouse is closed.
   */
  scratch(name: string): string
  /** The placeholder of the parameter with this index, counted from 0. */
  placeholder(index: number): string
  /** A literal inside compiled model SQL, which cannot carry parameters. Throws on NaN and infinities. */
  literal(value: Literal): string
  stateType(type: StateType): string
  /** Native types by which columns are cast when a mapping says `as`. */
  castTo(expression: string, type: ColumnType): string
  /** The declared type that a native type satisfies. */
  columnType(native: string): Column['type']
  /**
   * One text per distinct value, NULL for NULL: numbers without needless digits, dates as `2026-03-01`, zoned timestamps as
   * `2026-03-01T02:00:00Z` (with a fraction only when it is not zero), zoneless ones without the `Z`, booleans as `true`.
   */
  asText(expression: string, column: Pick<Column, 'type' | 'native'>): string
  /**
   * A JSON object text in the order given, with typed values: NULL is `null`, integers beyond ±(2^53-1) and decimals
   * that a double cannot hold are strings, dates and timestamps are the strings of `asText`, JSON columns are nested.
   */
  jsonObject(
    fields: readonly {
      readonly name: string
      readonly expression: string
      readonly column: Pick<Column, 'type' | 'native'>
    }[],
  ): string
  /** A JSON array text of texts: the canonical form of a composite key. NULL if any part is NULL. */
  jsonTextArray(expressions: readonly string[]): string
  /** The JSON text of one member of a JSON object text; NULL when it is absent. */
  jsonMember(expression: string, name: string): string
  /** Lower-case hex of the SHA-256 of a text's UTF-8 bytes. */
  sha256(expression: string): string
  /** A fast hash for comparing two texts within one query; never stored, it may change with the engine's version. */
  quickHash(expression: string): string
  /**
   * How many different values an expression has in a relation: a column of a select from that relation which counts other things as
   * well. It is counted with them, or in a look of its own where that is faster.
   */
  countDifferent(expression: string, relation: Fragment): Fragment
  /** The same condition, said so that an engine which plans by estimates expects it to hold for few of many rows. */
  rarely(condition: Fragment): Fragment
  /**
   * A fast digest of a row's values as the state's `bigint`, for leaving out rows that are surely the same. It may change
   * with the engine's version or a column's type, so a difference means nothing until the values themselves are compared.
   */
  rowDigest(
    values: readonly { readonly expression: string; readonly column: Pick<Column, 'type' | 'native'> }[],
  ): string
  /**
   * What follows `from`, to the end of a select from those rows of a relation for which a condition holds, and from no others:
   * nothing is computed of a row before it is known to be one of them, and nothing more than once for each.
   */
  rowsWhere(relation: Fragment, condition: Fragment): Fragment
  /**
   * Whether an outer join may have any condition. Some engines take only such as hold an equality of columns of both sides,
   * which neither a range nor a constant is.
   */
  readonly outerJoinsAnything: boolean
  /**
   * Whether the engine bills the columns that a statement reads, and of a table that it changes all of them. There payloads stand apart
   * from the snapshot, and what the night asks of every row is computed with the stage (docs/decisions/0053). Its `quickHash` never
   * changes, so that a payload can be known by it from night to night.
   */
  readonly billsByColumn: boolean
  /** What stands between a common table expression's name and its select, so that what it computes is computed once. */
  readonly computedOnce: 'as' | 'as materialized'
  /** A statement by which transactions that take the same turn wait for one another; undefined where one process at a time has the warehouse. */
  takeTurn(name: string): Fragment | undefined
  /** `u` of architecture section 9: a double in [0, 1) from a salt and a key. */
  unitInterval(saltExpression: string, keyExpression: string): string
  isFinite(expression: string): string
  /** Without the space around it, by JavaScript's notion of space. */
  trim(expression: string): string
  /** Each character by itself, by Unicode's simple mapping (İ becomes i), whatever the collation. */
  lower(expression: string): string
  /**
   * Whether a text holds a match of the pattern, NULL for NULL. Patterns are what all engines read alike: classes, groups,
   * alternatives, anchors and counts, none of them lazy.
   */
  matches(expression: string, pattern: string): string
  /** A text with every match of such a pattern replaced; in `by`, `\1` is what the first group matched. */
  replaceMatches(expression: string, pattern: string, by: string): string
  /** Digits after the point; half away from zero. The result has the type of `column`, when that is told. */
  round(expression: string, digits: number, column?: Pick<Column, 'type' | 'native'>): string
  /** A timestamp parameter or literal (ISO 8601, UTC) as the state's timestamp type. */
  timestamp(expression: string): string
  /** `{{date}}`-like arithmetic on the state's timestamp type, in whole milliseconds. */
  addMilliseconds(timestamp: string, milliseconds: number): string
  /**
   * Whether a value that is not NULL is none of a relation's: an anti join where the engine would search a long list anew
   * for every row. `column` is an expression over `keys`; it is NULL for rows that count as nothing.
   */
  absentFrom(expression: Fragment, keys: Fragment, column: string): Fragment
  /** Empties nothing, fails if it exists: `create table … as select …`; scratch tables live for the run only. */
  createTableAs(relation: string, select: Fragment, options: TableOptions): Fragment
  /** What follows the columns of a new table of the state: how its rows are laid out for those that look for these columns. */
  layout(lookedUpBy: readonly string[]): string
  /**
   * Statements that keep a table as it is now under another name (undefined where that is not wanted), and that give such a
   * copy up; undefined where a copy would be a second table, rather than what changes from now on. Keeping twice keeps the first.
   */
  readonly copies: { keep(relation: string, copy: string): string | undefined; drop(copy: string): string } | undefined
  /** What tells the engine how many rows of which kind a new table has; undefined where it sees for itself. */
  statistics(relation: string): string | undefined
  /** Replaces a table or view that `activate` made: statements in their order. */
  createModel(relation: string, select: string, materialised: 'view' | 'table'): readonly string[]
  /**
   * The relation of a file that this warehouse can read itself, or undefined if seeds must load it first. `columns` are the
   * declared ones that have a type: they are read as text and cast; in a type other than string, blank text is NULL.
   */
  fileRelation(
    file: { readonly csv: string } | { readonly parquet: string },
    columns?: readonly { readonly name: string; readonly type: ColumnType }[],
  ): string | undefined
}
