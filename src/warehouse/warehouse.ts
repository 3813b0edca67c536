/**
 * The port to a warehouse. Planning speaks to it in statements that pure functions built; an adapter (`duckdb.ts`,
 * `postgres.ts`) executes them. Values cross as text, numbers, bigints, booleans and NULL: dates
 * are `2026-03-01`, timestamps ISO 8601 in UTC, decimals and 64-bit integers keep every digit.
 */
import type { Bill } from './billing.ts'
import type { Column, Dialect } from './dialect.ts'
import type { Statement, Value } from './sql.ts'

export type Row = Readonly<Record<string, Value>>

/** A column of a table to be created for a seed. */
export interface SeedColumn {
  readonly name: string
  readonly type: Column['type']
}

/** What an engine knows of tables without computing anything. */
export interface Metadata {
  /**
   * The tables that a select reads, however many views lie between, as `project.dataset.table`; undefined where the engine
   * cannot name them all. Throws for a select that is wrong.
   */
  tablesOf(select: string): Promise<readonly string[] | undefined>
  /** The same name of a relation that is a table or a view. */
  nameOf(relation: readonly string[]): string
  /**
   * A text for each table that is another as soon as its rows may be others; undefined where that cannot be told for every
   * one of them, as for views, files elsewhere, and rows that are still streaming in or end by themselves.
   */
  marksOf(tables: readonly string[]): Promise<Readonly<Record<string, string>> | undefined>
}

export interface StreamOptions {
  readonly chunkRows?: number
  /**
   * A column of integers in which each row has one more than the row before it. An engine may then read in ways that promise no order,
   * as it can tell from every row whether it is the next; the rows that come are the same.
   */
  readonly numbered?: string
  /** Told when such a way was tried and left. */
  readonly onNote?: (note: { readonly code: string; readonly message: string }) => void
}

/** How large results come from an engine that has several ways. */
export interface LargeReads {
  readonly found: string
  /** What stands in the way of a faster one. */
  readonly help?: string
  /** That something is wrong, rather than left out. */
  readonly isAmiss: boolean
}

export interface Warehouse {
  readonly dialect: Dialect
  /** Schema (dataset) of the state tables, ready to be prefixed: parts for `dialect.relation`. */
  readonly state: readonly string[]
  /** All rows of a small result. A cancelled or failed query throws; it never looks like an empty result. */
  query(statement: Statement): Promise<readonly Row[]>
  /** Rows in chunks, without holding the result in memory. Ending early without an error is impossible by contract. */
  stream(statement: Statement, options?: StreamOptions): AsyncIterable<readonly Row[]>
  execute(statement: Statement): Promise<void>
  /** All or nothing, in order. `beforeCommit` is awaited when all have run: it lets tests kill a process in between. */
  transaction(statements: readonly Statement[], beforeCommit?: () => Promise<void>): Promise<void>
  /** Columns of a select or of a relation, without computing it. */
  describe(select: string): Promise<readonly Column[]>
  /** Undefined where nothing can be known of tables but by queries. */
  readonly metadata?: Metadata
  /** Base tables, and copies of some, of a schema whose name starts with `prefix`. */
  tables(schema: readonly string[], prefix: string): Promise<readonly string[]>
  /** Names of the columns of every base table of a schema, by the table's name; undefined where each table has to be asked. */
  columns(schema: readonly string[]): Promise<ReadonlyMap<string, readonly string[]> | undefined>
  /**
   * Replaces `relation` by these rows, all or nothing; returns their number. Values are texts in the columns' types. A table
   * under `scratch` is one of `dialect.scratch`.
   */
  load(
    relation: readonly string[] | { readonly scratch: string },
    columns: readonly SeedColumn[],
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
  ): Promise<number>
  close(): Promise<void>
  /** Tries how large results come, by a small one; undefined where there is one way. */
  tryLargeReads?(): Promise<LargeReads>
  /** Where the engine bills what it reads. */
  readonly bill?: Bill
}
