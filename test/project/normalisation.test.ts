import { describe, expect, test } from 'vitest'
import { type Normalisation, normalise } from '../../src/project/normalisation.ts'

describe('a phone number', () => {
  test.each<[string, string | undefined, string | undefined]>([
    ['+44 20 7946 0958', undefined, '+442079460958'],
    ['+44 (0)20 7946 0958', undefined, '+442079460958'],
    ['(+44) 20-7946-0958', undefined, '+442079460958'],
    ['0044 20 7946 0958', undefined, '+442079460958'],
    ['0044 (0) 20 7946 0958', 'GB', '+442079460958'],
    ['020 7946 0958', 'GB', '+442079460958'],
    ['(0)20 7946 0958', 'GB', '+442079460958'],
    ['(020) 7946 0958', 'GB', '+442079460958'],
    ['7700900123', 'GB', '+447700900123'],
    ['tel:+33 1 23 45 67 89', 'GB', '+33123456789'],
    ['\u202a+44 7700 900123\u202c', undefined, '+447700900123'],
    ['(202) 555-0123', 'US', '+12025550123'],
    ['1 202 555 0123', 'US', '+12025550123'],
    ['06 1 234 5678', 'HU', '+3612345678'],
    ['06 1234 5678', 'IT', '+390612345678'],
    ['+39 (0)6 1234 5678', undefined, '+390612345678'],
    ['32 12 34 56', 'DK', '+4532123456'],
    ['+1234567', undefined, undefined],
    ['+12345678', undefined, '+12345678'],
    ['+123456789012345', undefined, '+123456789012345'],
    ['+1234567890123456', undefined, undefined],
    ['020 7946 0958', undefined, undefined],
    ['+0 20 7946 0958', undefined, undefined],
    ['000 44 20 7946 0958', 'GB', undefined],
    ['+44 20 7946 0958 ext. 12', undefined, undefined],
    ['unknown', 'GB', undefined],
    ['n/a', undefined, undefined],
    ['', 'GB', undefined],
  ])('%j in %s becomes %s', (text, region, expected) => {
    expect(normalise(text, 'e164', region)).toBe(expected)
  })
})

describe('a text', () => {
  test.each<[string, Normalisation, string | undefined]>([
    [' Ada@Example.COM\u00a0', 'email', 'ada@example.com'],
    [' Ada ', 'trim', 'Ada'],
    ['\u3000\t', 'trim', undefined],
    ['', 'lower', undefined],
    ['ΟΔΟΣ', 'lower', 'οδοσ'],
    ['Ada.Lovelace+news@Gmail.com', 'gmail', 'adalovelace@gmail.com'],
    ['a.d.a@googlemail.com', 'gmail', 'ada@googlemail.com'],
    ['Ada.L+x@example.com', 'gmail', 'ada.l+x@example.com'],
    ['ada.l@gmail.com.example', 'gmail', 'ada.l@gmail.com.example'],
    ['a.b@c.d@gmail.com', 'gmail', 'a.b@c.d@gmail.com'],
    ['..+x@gmail.com', 'gmail', '..+x@gmail.com'],
    ['.a.+x+y@gmail.com', 'gmail', 'a@gmail.com'],
  ])('%j by %s becomes %j', (text, normalisation, expected) => {
    expect(normalise(text, normalisation)).toBe(expected)
  })

  test('is tidied in no time, however it was made to take long', () => {
    const hostile = ['a'.repeat(100_000), '1'.repeat(100_000), '('.repeat(100_000), '.'.repeat(100_000)]
    for (const text of hostile) expect(normalise(`${text}@gmail,com`, 'gmail')).toBe(`${text}@gmail,com`)
    for (const text of hostile) expect(normalise(`${text}!`, 'e164')).toBeUndefined()
  })
})
