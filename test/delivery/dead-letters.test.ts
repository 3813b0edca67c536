import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { withoutValues } from '../../src/delivery/echo.ts'
import { ok, reply } from '../fault-server.ts'
import { rowsOf, Stage } from './delivery-kit.ts'

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

const rows = (count: number) => rowsOf(count, seq => ({ n: seq, email: `person${seq}@x.example` }))

const byKey = (left: { key?: string }, right: { key?: string }) => ((left.key ?? '') < (right.key ?? '') ? -1 : 1)

async function letters(of: Stage) {
  const open = await of.ledger.deadLetters({ state: 'open', limit: 1_000 })
  const contents = await of.ledger.openLetters(open.map(({ letterId }) => letterId))
  return open.map(letter => ({ ...letter, ...contents.get(letter.letterId) }))
}

describe('a record that is refused for good', () => {
  test('becomes a letter with its fields and with all that was said, wherever it was in its batch', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 12 })),
        fc.integer({ min: 1, max: 6 }),
        async (bad, size) => {
          const poison = new Set(bad)
          const at = await Stage.open(({ records }) => {
            const found = records.find(({ fields }) => poison.has(Number(fields.n)))
            return found === undefined ? ok() : reply(422, { message: `cannot take ${found.fields.email}` })
          })
          try {
            const { totals, exceptions } = await at.deliver(rows(12), { batch: { maxRecords: size } })
            const found = await letters(at)
            expect(found.map(({ key }) => key).sort()).toEqual(bad.map(seq => `k${seq}`).sort())
            expect(totals.rejected).toBe(bad.length)
            for (const { key, fields, message, changeId, ...letter } of found) {
              const seq = Number(key?.slice(1))
              expect(letter).toMatchObject({
                class: 'refused',
                code: 'http_422',
                op: 'enter',
                sync: 's',
                destination: 'far',
              })
              expect([changeId, JSON.parse(fields ?? '')]).toEqual([
                `c${seq}`,
                { n: seq, email: `person${seq}@x.example` },
              ])
              expect(message).toContain(`person${seq}@x.example`)
            }
            const rejected = exceptions.filter(({ state }) => state === 'rejected')
            expect(rejected.every(({ message }) => message.includes('cannot take ***'))).toBe(true)
            expect(JSON.stringify([exceptions, await at.ledger.requests('run')])).not.toContain('@x.example')
          } finally {
            await at.close()
          }
        },
      ),
      { numRuns: 12 },
    )
  })

  test('becomes one as well when it was never sent', async () => {
    stage = await Stage.open(ok)
    const fields = z.object({ n: z.number().max(3), email: z.string() })
    const { totals } = await stage.deliver(rows(5), { batch: { maxRecords: 2 }, fields })
    expect(totals).toMatchObject({ acked: 3, rejected: 2 })
    const found = (await letters(stage))
      .sort(byKey)
      .map(({ key, class: kind, code, fields: kept }) => [key, kind, code, JSON.parse(kept ?? '')])
    expect(found).toEqual(
      [4, 5].map(n => [`k${n}`, 'unsendable', 'invalid_field', { n, email: `person${n}@x.example` }]),
    )
  })

  test('is no letter before it is certain: what is retried, withdrawn or parked has none', async () => {
    stage = await Stage.open(({ index }) => (index === 0 ? reply(503) : ok()))
    await stage.deliver(rows(2), { batch: { maxRecords: 2 } })
    expect(await letters(stage)).toEqual([])
  })
})

test('what is said is kept without the values of the record, and otherwise as it was', () => {
  const fields = { email: 'Ann@x.example', note: 'say "hi"', n: 7, tags: [{ city: 'Köln' }], code: 'a.c(' }
  const said = (message: string) => withoutValues(message, [{ fields }])
  expect(said('no ann@X.example, please (7)')).toBe('no ***, please (7)')
  expect(said(JSON.stringify({ note: fields.note, city: 'Köln' }))).toBe('{"note":"***","city":"***"}')
  expect(said('a.c( but not abc(')).toBe('*** but not abc(')
  expect(said('Invalid field')).toBe('Invalid field')
  fc.assert(
    fc.property(fc.string({ minLength: 4 }), fc.string(), fc.string(), (value, before, after) => {
      expect(withoutValues(`${before}${value}${after}`, [{ fields: { value } }])).not.toContain(
        value.includes('***') ? '\0' : value,
      )
    }),
  )
})
