/** What an engine bills that counts the bytes of the columns that statements read. Pure, but for the port through which an engine tells. */

/** A table as one statement reads it. */
export interface Scan {
  readonly rows: number
  /** Bytes a row, on average, of the columns that the statement refers to; of all columns, where it changes the table. */
  readonly width: number
}

/** On demand, BigQuery counts at least this for each table that a statement refers to (cloud.google.com/bigquery/pricing, read 2026-08). */
export const leastBytesOfTable = 10 * 2 ** 20

/** What a statement bills that reads these tables, each of them once. */
export function billedBytes(scans: readonly Scan[]): number {
  return scans.reduce((sum, { rows, width }) => sum + Math.max(leastBytesOfTable, Math.round(rows * width)), 0)
}

export function dollarsOf(bytes: number, dollarsPerTebibyte: number): number {
  return Math.round((bytes / 2 ** 40) * dollarsPerTebibyte * 1e4) / 1e4
}

/** `1.5 GiB`. */
export function byteSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const value = bytes / 1024 ** power
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

export interface TableSize {
  readonly rows: number
  readonly bytes: number
}

/** What such an engine tells of an open warehouse. */
export interface Bill {
  /** Bytes that the statements of this warehouse were billed so far. */
  billed(): number
  /** Bytes that a select would read, at no cost; undefined when a table of it does not exist yet. */
  estimate(select: string): Promise<number | undefined>
  /** Undefined when there is no such table. `relation` is one of the dialect's. */
  sizeOf(relation: string): Promise<TableSize | undefined>
  /** The most that one statement may bill. */
  readonly budget: { readonly bytes: number; readonly written: string } | undefined
  readonly dollarsPerTebibyte: number
}
