import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isTelling, redactorOf, redactPlan, redactPlanDocument, textsWithin } from '../../src/plan/redaction.ts'

describe('a person in a text', () => {
  test('is taken out where they stand by themselves, and only there', () => {
    const redact = redactorOf(['C42', 'ada@x.example', 'Ada "The" Byron'])
    expect(redact('C42, C421, XC42 and (C42): ada@x.example, not bada@x.example')).toBe(
      '[erased], C421, XC42 and ([erased]): [erased], not bada@x.example',
    )
    expect(redact(JSON.stringify({ name: 'Ada "The" Byron' }))).toBe('{"name":"[erased]"}')
  })

  test('may have any value: nothing in it is taken for a pattern', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6, unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (value, around) => {
        const text = `${around} | ${value} | ${around}`
        expect(redactorOf([value])(text).split(' | ')[1]).not.toBe(value)
      }),
    )
  })

  test('is not looked for by so few characters that they are parts of other words', () => {
    expect(redactorOf(['1', 'ab', '', '500'])('1 row of ab: HTTP 500')).toBe('1 row of ab: HTTP 500')
  })
})

test.each([
  ['ada@x.example', true],
  ['+44 7700 900815', true],
  ['Ada Lovelace', true],
  ['at-risk', false],
  ['2026-03-01T00:00:00Z', false],
  ['gold', false],
])('whether %j tells who somebody is: %s', (value, telling) => {
  expect(isTelling(value)).toBe(telling)
})

test('a plan loses the samples of the person and keeps those of others', () => {
  const plan = {
    rows: { model: 2 },
    samples: [
      { key: 'C42', after: { name: 'x' } },
      { key: 'C7', after: { name: 'y' } },
    ],
    ineligible: [{ key: 'C42', reason: 'consent.denied' }],
    warnings: ['C42 looks odd'],
  }
  const redact = redactorOf(['C42'])
  const keys = new Set(['C42'])
  const expected = { ...plan, samples: [plan.samples[1]], ineligible: [], warnings: ['[erased] looks odd'] }
  expect(JSON.parse(redactPlan(JSON.stringify(plan), keys, redact))).toEqual(expected)
  const document = JSON.stringify({ schema: 'activate.plan/1', plans: [plan] }, null, 2)
  expect(JSON.parse(redactPlanDocument(document, keys, redact)).plans).toEqual([expected])
})

test('numbers of a plan stay numbers, whoever has them for a key', () => {
  const redact = redactorOf(['12345'])
  const text = JSON.stringify({ rows: { model: 12345 }, warnings: ['12345 is odd'] })
  expect(JSON.parse(redactPlan(text, new Set(['12345']), redact))).toEqual({
    rows: { model: 12345 },
    warnings: ['[erased] is odd'],
  })
})

test('a text that does not name the person stays byte for byte', () => {
  const redact = redactorOf(['C42'])
  for (const text of ['not json', '{"plans":[]}', '{"samples": [ {"key":"C7"} ]}', '[1]'])
    for (const one of [redactPlan, redactPlanDocument]) expect(one(text, new Set(['C42']), redact)).toBe(text)
})

test('texts are found at any depth', () => {
  expect(textsWithin({ a: ['x', { b: 'y', c: 1 }], d: null })).toEqual(['x', 'y'])
})
