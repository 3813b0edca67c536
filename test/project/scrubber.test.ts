import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createScrubber, safeLength } from '../../src/project/scrubber.ts'

const scrubberOf = (...secrets: readonly string[]) => {
  const scrubber = createScrubber()
  for (const secret of secrets) scrubber.register(secret)
  return scrubber
}

const secret = fc
  .string({ minLength: safeLength, maxLength: 40, unit: 'grapheme' })
  .filter(text => text.trim() === text)

/** Base64 of text that has the secret somewhere inside. */
const wrapped = (encoding: 'base64' | 'base64url') =>
  fc.tuple(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 })).map(([before, after]) => (text: string) => {
    const inner = Buffer.from(`${before}${text}${after}`, 'utf8')
    return inner.toString(encoding)
  })

test('leaves no form of a secret in a text, whatever stands around it', () => {
  const plain: readonly ((text: string) => string)[] = [
    text => text,
    text => encodeURIComponent(text),
    text => new URLSearchParams({ a: text }).toString().slice(2),
    text => JSON.stringify({ a: text }).slice(6, -2),
    text => Buffer.from(text).toString('hex'),
  ]
  fc.assert(
    fc.property(secret, fc.constantFrom(...plain), fc.string(), fc.string(), (value, form, before, after) => {
      fc.pre(form(value).length >= safeLength)
      const text = scrubberOf(value).scrub(`${before}${form(value)}${after}`)
      expect(text.includes(form(value))).toBe(false)
    }),
    { numRuns: 300 },
  )
})

test.each(['base64', 'base64url'] as const)('leaves nothing to decode in %s', encoding => {
  fc.assert(
    fc.property(secret, wrapped(encoding), (value, wrap) => {
      const text = scrubberOf(value).scrub(`Basic ${wrap(value)}, you said`)
      // At most the two bytes at either edge, which share a group with something else, are left.
      const left = text.replaceAll('***', ' ').split(/[ ,]+/).slice(1, -2)
      for (const part of left) expect(part.length).toBeLessThan(safeLength + 4)
      expect(text).toContain('***')
    }),
    { numRuns: 300 },
  )
})

test('a secret within a secret, and one that ends where another begins, leave nothing', () => {
  const { scrub } = scrubberOf('hunter2-hunter2', 'hunter2-hunter2-long-tail', 'tail-of-another')
  expect(scrub('<hunter2-hunter2-long-tail-of-another>')).toBe('<***>')
  expect(scrub('<hunter2-hunter2-lo>')).toBe('<***-lo>')
})

test.each(['…', '...', '"...', ''])('a secret that is cut off before %j is found by what is left of it', ellipsis => {
  const { scrub } = scrubberOf('sk_live_0123456789abcdef')
  expect(scrub(`HTTP 400: you sent sk_live_01${ellipsis}`)).toBe(`HTTP 400: you sent ***${ellipsis}`)
  expect(scrub(`HTTP 400: you sent sk_live_01 and more`)).toBe('HTTP 400: you sent sk_live_01 and more')
})

test('knows the password of a URL, the key behind a prefix, and the values of a key file', () => {
  const { scrub } = scrubberOf(
    'postgres://ada:p%40ss%2Fword1@db/x',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    JSON.stringify({ type: 'service_account', private_key: `-----BEGIN-----\n${'A1b2'.repeat(12)}\n-----END-----` }),
  )
  expect(scrub('password p@ss/word1 is wrong for user ada')).toBe('password *** is wrong for user ada')
  expect(scrub('key MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toBe('key ***')
  expect(scrub(`-----BEGIN-----\n${'A1b2'.repeat(12)}\n-----END-----`)).toBe('***')
  expect(scrub('service_account')).toBe('service_account')
})

test('a short secret is taken out where it stands by itself; the shortest are no secrets', () => {
  const { scrub } = scrubberOf('tok1', 'abc', '12345678')
  expect(scrub('bad token "tok1", not tok12 or atok1; abc')).toBe('bad token "***", not tok12 or atok1; abc')
  expect(JSON.parse(scrub('{"count":12345678}'))).toEqual({ count: 99_999_999 })
})

test('takes secrets out of data and its names, and leaves the rest as it is', () => {
  const { scrubAll } = scrubberOf('very-secret')
  const at = { list: ['a very-secret b', 1, null, true], 'very-secret': { deep: 'very-secret' } }
  expect(scrubAll(at)).toEqual({ list: ['a *** b', 1, null, true], '***': { deep: '***' } })
})
