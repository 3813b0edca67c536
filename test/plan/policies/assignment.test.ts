import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isWithheld, unitInterval } from '../../../src/plan/policies/assignment.ts'
import { openNights, type PlanNights } from '../plan-nights.ts'
import {
  chiSquaredTail,
  evenness,
  hundredths,
  independence,
  type Lots,
  normalTails,
  overlap,
  tally,
  uniformityOf,
} from './lots.ts'

/**
 * Salts and keys as people write them: numbered, and alike but for the number, which is what weak hashes fail at. The full
 * plan takes 1000 salts × 20k keys. A quarter of the salts still tells a share of .004 from what FNV or CRC-32 show (all but
 * a few of the pairs), and 40 salts make 780 pairs, whose deviation is known to ± .025.
 */
const people = 20_000
const keys = Array.from({ length: people }, (_, number) => `c${String(number).padStart(8, '0')}`)
const salts = Array.from({ length: 250 }, (_, number) => `holdout-${number + 1}`)

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const draw = (hash: (text: string) => number) => (salt: string) =>
  Uint8Array.from(keys, key => Math.floor(hash(`${salt}:${key}`) * hundredths))

let nights: PlanNights
/** By salt, for the first of them. */
let drawn: readonly Lots[] = []
beforeAll(async () => {
  nights = await openNights()
  drawn = await drawInWarehouse(40)
})
afterAll(() => nights.close())

/** Number of the salt, key and lot of every draw, by the dialect's own SQL. */
function lotsInSql(count: number): string {
  const u = nights.warehouse.dialect.unitInterval('salt', 'key')
  return `select number, key, cast(floor(${u} * ${hundredths}) as integer) as lot
from (select number, 'holdout-' || number as salt from range(1, ${count + 1}) s(number)),
  (select 'c' || lpad(cast(number as varchar), 8, '0') as key from range(${people}) k(number))`
}

/** Draws come back as one text for each salt, two digits for each key. */
async function drawInWarehouse(count: number): Promise<readonly Lots[]> {
  const digits = `string_agg(lpad(cast(lot as varchar), 2, '0'), '' order by key)`
  const select = `select number, ${digits} as lots from (${lotsInSql(count)}) group by 1 order by 1`
  const rows = await nights.warehouse.query({ sql: select, params: [] })
  return rows.map(({ lots }) => Uint8Array.from(String(lots).match(/../g) ?? [], Number))
}

async function countInWarehouse(): Promise<readonly (readonly number[])[]> {
  const counted = `select number, lot, count(*) as n from (${lotsInSql(salts.length)}) group by 1, 2`
  const rows = await nights.warehouse.query({ sql: counted, params: [] })
  const tallies = salts.map(() => new Array<number>(hundredths).fill(0))
  for (const { number, lot, n } of rows) tallies[Number(number) - 1]?.splice(Number(lot), 1, Number(n))
  return tallies
}

function pairs(draws: readonly Lots[]): readonly (readonly [Lots, Lots])[] {
  return draws.flatMap((one, index) => draws.slice(index + 1).map(other => [one, other] as const))
}

function shareBelow(values: readonly number[], limit = 0.001): number {
  return values.filter(value => value < limit).length / values.length
}

function deviation(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
}

describe('draws of the warehouse', () => {
  test('are those of TypeScript', () => {
    for (const number of [0, 39])
      expect(drawn[number]).toEqual(draw(text => unitInterval(sha256, ...salted(text)))(salts[number] ?? ''))
  })

  test('fall evenly, whatever the salt', async () => {
    const evennesses = (await countInWarehouse()).map(evenness)
    expect(shareBelow(evennesses)).toBeLessThanOrEqual(0.004)
    expect(uniformityOf(evennesses)).toBeGreaterThan(1e-4)
  })

  test('say nothing of those with another salt', () => {
    expect(shareBelow(pairs(drawn).map(pair => independence(...pair)))).toBeLessThanOrEqual(0.004)
  })

  test('make two holdouts of 5 % share as many people as chance has it', () => {
    const overlaps = pairs(drawn).map(pair => overlap(...pair, 5))
    expect(shareBelow(overlaps.map(normalTails))).toBeLessThanOrEqual(0.004)
    expect(deviation(overlaps)).toBeGreaterThan(0.93)
    expect(deviation(overlaps)).toBeLessThan(1.07)
  })
})

function salted(text: string): readonly [salt: string, key: string] {
  const at = text.indexOf(':')
  return [text.slice(0, at), text.slice(at + 1)]
}

test('whoever a smaller share withholds a larger one withholds as well', () => {
  const withheld = [0.05, 0.1, 0.5].map(
    share => new Set(keys.filter(key => isWithheld(sha256, { salt: 'global-1', share }, [key]))),
  )
  const [five = new Set(), ten = new Set(), half = new Set()] = withheld
  expect([...five].every(key => ten.has(key)) && [...ten].every(key => half.has(key))).toBe(true)
  const surprises = [five, ten, half].map((held, index) => {
    const share = [0.05, 0.1, 0.5][index] ?? 0
    return Math.abs(held.size - people * share) / Math.sqrt(people * share * (1 - share))
  })
  expect(Math.max(...surprises)).toBeLessThan(3.3)
})

describe('the tests notice', () => {
  test('a hash that is not cryptographic: draws with two salts are related', () => {
    const weak = salts.slice(0, 20).map(draw(text => fnv1a(text) / 2 ** 32))
    expect(shareBelow(pairs(weak).map(pair => independence(...pair)))).toBeGreaterThan(0.5)
  })

  test('a salt that two holdouts share', () => {
    const [one = new Uint8Array()] = drawn
    expect(independence(one, one)).toBeLessThan(1e-12)
    expect(normalTails(overlap(one, one, 5))).toBeLessThan(1e-12)
  })

  test('a number of too few digits: some hundredths are likelier than others', () => {
    const short = salts.slice(0, 5).map(draw(text => Number.parseInt(sha256(text).slice(0, 2), 16) / 256))
    expect(shareBelow(short.map(lots => evenness(tally(lots))))).toBe(1)
  })

  test('a share that is part of the salt: a larger one withholds other people', () => {
    const held = (share: number) =>
      new Set(keys.filter(key => isWithheld(sha256, { salt: `global-${share}`, share }, [key])))
    const ten = held(0.1)
    expect([...held(0.05)].filter(key => !ten.has(key)).length).toBeGreaterThan(500)
  })
})

/** The 32-bit hash that several products assign by. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

test('the tails are those of the tables', () => {
  expect(chiSquaredTail(148.2304, 99)).toBeCloseTo(0.001, 7)
  expect(chiSquaredTail(126.0826, 81)).toBeCloseTo(0.001, 7)
  expect(chiSquaredTail(98.3341, 99)).toBeCloseTo(0.5, 5)
  expect(chiSquaredTail(3.841459, 1)).toBeCloseTo(0.05, 7)
  expect(normalTails(3.290527)).toBeCloseTo(0.001, 7)
  expect(chiSquaredTail(185.56701030927834, 1) / 2.951316144489627e-42).toBeCloseTo(1, 8)
})
