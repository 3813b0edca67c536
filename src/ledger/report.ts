/**
 * What destinations report of changes after they took them, such as that a message was delivered. Part of the port in
 * `ledger.ts`; instants are milliseconds since the epoch. A report changes nothing of what was acknowledged.
 */

/** Under which id a destination took a change. */
export interface Receipt {
  readonly seq: number
  readonly key: string
  readonly changeId: string
  readonly reference: string
}

/** One thing that a destination said of what it took. */
export interface Report {
  readonly destination: string
  /** The id under which it took it. */
  readonly reference: string
  /** The destination's own word, such as `delivered`. */
  readonly outcome: string
  /** Whether nothing further is to be expected. */
  readonly final: boolean
  readonly code?: string
  readonly at: number
}

export interface ReportedChange extends Report {
  readonly changeId: string
}

export interface Reports {
  /** Writes down what is new of them, and returns how many those are: a destination may say the same more than once. */
  report(reports: readonly Report[]): Promise<number>
  /** What was reported of the changes of this record, in any sync, oldest first. */
  reportsOfKey(key: string): Promise<readonly ReportedChange[]>
  /** How often each final outcome was reported of the changes of these runs, by run and outcome. */
  countReports(runIds: readonly string[]): Promise<ReadonlyMap<string, Readonly<Record<string, number>>>>
  /** The sync whose change the destination took under this id; undefined for an id that is not known. */
  syncOfReceipt(destination: string, reference: string): Promise<string | undefined>
}
