/**
 * Rows that are numbered, by a fast way that promises no order, and by a slow one that does. Each row is looked at before it is given
 * away: the first that does not have the next number, or does not come, ends the fast way, and what was given so far are exactly the
 * first rows, from which the slow way goes on. So what is right rests upon the numbers, and only speed on how BigQuery sends rows.
 */
import type { Row } from './warehouse.ts'

export interface Ways {
  fast(): AsyncIterable<readonly Row[]>
  /** The rows behind the first `count`. */
  slow(count: number): AsyncIterable<readonly Row[]>
  /** Why the fast way ended early. Throws when the slow one must not take over. */
  onEnd(reason: unknown, count: number): void
}

export interface Numbers {
  /** The column that counts. */
  readonly column: string
  /** What the first row has in it. */
  readonly first: number
  /** How many rows there are. */
  readonly total: number
}

export class OutOfOrder extends Error {}

export async function* inOrder({ fast, slow, onEnd }: Ways, numbers: Numbers): AsyncGenerator<readonly Row[]> {
  const { column, first, total } = numbers
  let count = 0
  try {
    for await (const rows of fast()) {
      const wrong = rows.findIndex((row, index) => row[column] !== first + count + index || count + index >= total)
      const right = wrong < 0 ? rows : rows.slice(0, wrong)
      count += right.length
      if (right.length > 0) yield right
      if (wrong >= 0) throw new OutOfOrder(`row ${count + 1} came out of order`)
    }
    if (count === total) return
    throw new OutOfOrder(`${count} of ${total} rows came`)
  } catch (error) {
    onEnd(error, count)
  }
  yield* slow(count)
}
