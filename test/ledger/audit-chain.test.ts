import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChainedRow, genesis, hashOfEntry, verifyChain } from '../../src/ledger/audit-chain.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const entry = fc.record({ at: fc.nat(), actor: text, action: text, subject: text, detail: fc.json({ maxDepth: 1 }) })

function chainOf(entries: readonly Omit<ChainedRow, 'ordinal' | 'previous_hash' | 'hash'>[]): ChainedRow[] {
  const rows: ChainedRow[] = []
  for (const each of entries) {
    const row = { ...each, ordinal: rows.length + 1, previous_hash: rows.at(-1)?.hash ?? genesis }
    rows.push({ ...row, hash: hashOfEntry(row) })
  }
  return rows
}

const headOf = (rows: readonly ChainedRow[]) => ({ entries: rows.length, hash: rows.at(-1)?.hash ?? genesis })

/** In chunks of three, as a ledger would hand them over. */
function* chunked(rows: readonly ChainedRow[]): Generator<readonly ChainedRow[]> {
  for (let start = 0; start < rows.length; start += 3) yield rows.slice(start, start + 3)
}

test('any sequence of entries verifies, and names its count and its last hash', () =>
  fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async entries => {
      const rows = chainOf(entries)
      const { entries: count, hash: head } = headOf(rows)
      expect(await verifyChain(chunked(rows), headOf(rows))).toEqual({ kind: 'ok', entries: count, head })
    }),
  ))

describe('a chain', () => {
  const chain = fc.array(entry, { minLength: 1, maxLength: 8 }).map(chainOf)
  const placed = chain.chain(rows => fc.record({ rows: fc.constant(rows), at: fc.nat(rows.length - 1) }))

  /** The ordinal at which it is found, whatever the head record still says. */
  const foundAt = async (rows: readonly ChainedRow[], head: ReturnType<typeof headOf>) => {
    const verdict = await verifyChain(chunked(rows), head)
    return verdict.kind === 'broken' ? verdict.ordinal : undefined
  }

  test('finds any change of any column, at the entry that was changed', () =>
    fc.assert(
      fc.asyncProperty(
        placed,
        fc.constantFrom('ordinal', 'at', 'actor', 'action', 'subject', 'detail', 'previous_hash', 'hash'),
        text,
        fc.integer(),
        async ({ rows, at }, column, words, number) => {
          const tampered = rows.map((row, index) =>
            index === at ? { ...row, [column]: column === 'ordinal' || column === 'at' ? number : words } : row,
          )
          fc.pre(JSON.stringify(tampered) !== JSON.stringify(rows))
          expect(await foundAt(tampered, headOf(rows))).toBe(at + 1)
        },
      ),
    ))

  test('finds an entry that was taken out, the last one included', () =>
    fc.assert(
      fc.asyncProperty(placed, async ({ rows, at }) => {
        expect(await foundAt(rows.toSpliced(at, 1), headOf(rows))).toBe(at + 1)
      }),
    ))

  test('finds an entry that was put in, and two that changed places', () =>
    fc.assert(
      fc.asyncProperty(placed, entry, async ({ rows, at }, other) => {
        const before = chainOf([...rows.slice(0, at), other])
        const forged = [...before, ...rows.slice(at).map(row => ({ ...row, ordinal: row.ordinal + 1 }))]
        expect(await foundAt(forged, headOf(rows))).toBeGreaterThan(0)
        const last = rows.length - 1
        fc.pre(at < last)
        const [one, two] = [rows[at], rows[last]]
        if (one === undefined || two === undefined) throw new Error('no such rows')
        expect(await foundAt(rows.with(at, two).with(last, one), headOf(rows))).toBe(at + 1)
      }),
    ))

  test('that was written anew from some entry on is given away by its head record', () =>
    fc.assert(
      fc.asyncProperty(placed, entry, async ({ rows, at }, other) => {
        const forged = chainOf(rows.with(at, { ...rows[at], ...other, ordinal: 0, previous_hash: '', hash: '' }))
        fc.pre(headOf(forged).hash !== headOf(rows).hash)
        expect(await foundAt(forged, headOf(rows))).toBe(rows.length)
      }),
    ))
})

test('a head record that is gone is a broken chain', async () => {
  expect(await verifyChain([], undefined)).toMatchObject({ kind: 'broken', because: 'the head record is gone' })
})
