/**
 * What the statements of a night bill on an engine that counts columns, from the sizes of the tables alone: for those whose tables are not
 * there yet, so that the engine cannot be asked. Widths are those of BigQuery's types; a test holds the estimate to what a night's own
 * statements read (test/warehouse/bigquery-bytes.test.ts).
 */
import { billedBytes, type Scan, type TableSize } from '../warehouse/billing.ts'

export interface StatementBytes {
  readonly statement: string
  readonly bytes: number
}

export interface NightSizes {
  /** Of one scan of the model's sources, as the engine says. */
  readonly modelBytes: number
  readonly sync: string
  readonly snapshot: TableSize
}

const word = 8
const integer = 8
const text = (length: number) => length + 2
const changeId = text(32)
const rowHash = text(64)
const decision = text(4)

/** `<sync>__<wall time>_<random>`. */
function runIdWidth(sync: string): number {
  return text(sync.length + 24)
}

/** Of the key, with the person, topic and address beside it: what a row of the snapshot has over its own bookkeeping. */
function keyWidth({ rows, bytes }: TableSize, sync: string): number {
  const bookkeeping = 2 * integer + runIdWidth(sync) + integer
  return rows === 0 ? text(14) : Math.max(3, bytes / rows - bookkeeping)
}

function named(statement: string, scans: readonly Scan[]): StatementBytes {
  return { statement, bytes: billedBytes(scans) }
}

/**
 * Statements that look at all rows, whatever changed: those that every night has. As many rows as the snapshot has are taken for the
 * model's; the first night's other statements are unknown before it, and so are those of a night that cannot go by the stage's comparison.
 */
export function bytesBeforehand({ modelBytes, sync, snapshot }: NightSizes): readonly StatementBytes[] {
  const { rows } = snapshot
  const model = { rows: 1, width: modelBytes }
  if (rows === 0) return [named('compute the model', [model])]
  const key = keyWidth(snapshot, sync)
  const known = { rows, width: key + 2 * integer }
  return [named('compute the model', [model, known]), named('look at its keys', [{ rows, width: key + 1 }])]
}

export interface SettleSizes {
  readonly sync: string
  readonly snapshot: TableSize
  readonly outbox: TableSize
}

/**
 * The settle of this outbox: it reads the changes once for each thing that it writes down. One in many reads the whole snapshot as well, to
 * take out rows that stand no more; that is not counted here.
 */
export function bytesOfSettle({ sync, snapshot, outbox }: SettleSizes): number {
  const { rows } = outbox
  const key = keyWidth(snapshot, sync)
  const standing = 3 * integer + word
  const change = word + decision + changeId
  const width = rows === 0 ? 0 : outbox.bytes / rows
  const payload = Math.max(0, width - (2 * key + standing + change + rowHash + rowHash + 2 * integer))
  const of = (...widths: readonly number[]) => ({ rows, width: widths.reduce((sum, each) => sum + each, 0) })
  const small = { rows: 1, width: 0 }
  const moves = key + decision + word + word
  const statements: readonly (readonly Scan[])[] = [
    [of(width), small, small],
    [of(word)],
    [small],
    [of(moves, standing, key), small],
    [of(moves, word, payload, integer), small],
    [of(key, word, changeId, key, word), small],
    [small],
    [of(key, change, key, word), small],
    [of(key, rowHash, word), small],
    [small, of(moves)],
    [small],
    [small],
    [small],
  ]
  return statements.reduce((sum, scans) => sum + billedBytes(scans), 0)
}
