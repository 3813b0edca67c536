import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { normaliseSql } from '../../src/plan/normalisation.ts'
import { type Normalisation, normalise } from '../../src/project/normalisation.ts'
import { knownRegions } from '../../src/project/phone-regions.ts'
import type { Dialect } from '../../src/warehouse/dialect.ts'
import type { Value } from '../../src/warehouse/sql.ts'
import { type Engine, isBigquery, isPostgres, openEngine } from './engine.ts'

let engine: Engine
let dialect: Dialect
beforeAll(async () => {
  engine = await openEngine()
  dialect = engine.warehouse.dialect
})
afterAll(() => engine.close())

async function rowsOf(sql: string): Promise<readonly Value[][]> {
  return (await engine.warehouse.query({ sql, params: [] })).map(row => Object.values(row))
}

async function inWarehouse(
  texts: readonly string[],
  normalisation: Normalisation,
  region?: string,
): Promise<readonly (string | undefined)[]> {
  const values = texts.map((_, index) => `(${index}, cast($${index + 1} as varchar))`).join(', ')
  const expression = normaliseSql(dialect, 'x', normalisation, region)
  const rows = await engine.warehouse.query({
    sql: `select ${expression} as tidied from (values ${values}) given(i, x) order by i`,
    params: texts,
  })
  return rows.map(({ tidied }) => (tidied === null ? undefined : String(tidied)))
}

/** Any character but NUL and the halves of surrogate pairs. */
const character = fc
  .integer({ min: 1, max: 0x10ffff })
  .filter(code => code < 0xd800 || code > 0xdfff)
  .map(code => String.fromCodePoint(code))
const anything = fc.string({ unit: character, maxLength: 12 })
const pieces = (...some: readonly string[]) =>
  fc.array(fc.oneof(fc.constantFrom(...some), fc.nat(99).map(String)), { maxLength: 12 }).map(parts => parts.join(''))
const phoneLike = pieces(
  '+',
  '00',
  '(0)',
  '(',
  ')',
  ' ',
  '-',
  '39',
  '44',
  '0',
  '06',
  '1',
  'x',
  'tel:',
  '\u00a0',
  '\n',
  '７',
  'ı',
)
const addressLike = pieces(
  '@',
  '@gmail.com',
  '@googlemail.com',
  '.',
  '+',
  'A',
  'Σ',
  'İ',
  ' ',
  '\n',
  '\ufeff',
  '\u3000',
  '.com',
)
const texts = fc.array(fc.oneof(anything, phoneLike, addressLike), { minLength: 50, maxLength: 80 })
const regions = [undefined, ...knownRegions()]

describe('the warehouse tidies as TypeScript does', () => {
  test.each<Normalisation>(['trim', 'lower', 'email', 'gmail'])('by %s', async normalisation => {
    await fc.assert(
      fc.asyncProperty(texts, async given => {
        expect(await inWarehouse(given, normalisation)).toEqual(given.map(text => normalise(text, normalisation)))
      }),
      { numRuns: 20 },
    )
  })

  test('by e164, in every region', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom(...regions), async (given, region) => {
        expect(await inWarehouse(given, 'e164', region)).toEqual(given.map(text => normalise(text, 'e164', region)))
      }),
      { numRuns: 60 },
    )
  })

  // The evaluator makes no arrays of more than 16,000 elements.
  test.skipIf(isBigquery())('each single character', async () => {
    // Letters end at U+1E943, and a server takes longer.
    const last = isPostgres() ? 0x1ffff : 0x10ffff
    const rows = await rowsOf(
      `select i, ${normaliseSql(dialect, 'chr(cast(i as integer))', 'lower')} as tidied from generate_series(1, ${last}) r(i) where i not between 55296 and 57343`,
    )
    const differing = rows.filter(
      ([code, tidied]) => (tidied ?? undefined) !== normalise(String.fromCodePoint(Number(code)), 'lower'),
    )
    expect(rows).toHaveLength(last - 2048)
    expect(differing).toEqual([])
  })
})

test('what is tidied stays as it is when tidied again', () => {
  fc.assert(
    fc.property(
      fc.oneof(anything, phoneLike, addressLike),
      fc.constantFrom<Normalisation>('trim', 'lower', 'email', 'gmail', 'e164'),
      fc.constantFrom(...regions),
      (text, normalisation, region) => {
        const once = normalise(text, normalisation, region)
        if (once !== undefined) expect(normalise(once, normalisation, region)).toBe(once)
      },
    ),
    { numRuns: 1000 },
  )
})

test('blanks behind a leading dot go with the dot', async () => {
  const given = ['. \u3000ada@gmail.com', '.\ufeff@googlemail.com']
  expect(given.map(text => normalise(text, 'gmail'))).toEqual(['ada@gmail.com', '@googlemail.com'])
  expect(await inWarehouse(given, 'gmail')).toEqual(['ada@gmail.com', '@googlemail.com'])
})

test('NULL stays NULL', async () => {
  for (const normalisation of ['trim', 'gmail', 'e164'] as const) {
    const expression = normaliseSql(dialect, 'cast(null as varchar)', normalisation, 'GB')
    expect(await rowsOf(`select ${expression} as v`)).toEqual([[null]])
  }
})
