import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LedgerKey, ledgerKeyOf } from '../../src/ledger/seal.ts'
import { expectCode } from './expect-code.ts'

const key = ledgerKeyOf('0123456789abcdef0123456789abcdef')
const attempt = async (by: LedgerKey, sealed: Uint8Array) => by.open(sealed, about)
const about = ['dead-letter', 'd1', 'at_risk']

describe('a sealed text', () => {
  test('opens to what it was, for any text, and for what it is bound to alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.string()), fc.array(fc.string()), (text, own, other) => {
        const whole = Buffer.from(text, 'utf8').toString('utf8')
        const sealed = key.seal(whole, own)
        expect(key.open(sealed, own)).toBe(whole)
        if (JSON.stringify(own) !== JSON.stringify(other)) expect(() => key.open(sealed, other)).toThrow()
      }),
    )
  })

  test('is another one each time, and shows nothing of the text', () => {
    const [one, two] = [key.seal('ann@example.com', about), key.seal('ann@example.com', about)]
    expect(one.equals(two)).toBe(false)
    expect(one.includes('ann')).toBe(false)
  })

  test('does not open when any of its bytes was changed', async () => {
    const sealed = key.seal('x', about)
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed)
      changed[index] = (changed[index] ?? 0) ^ 1
      // The bytes 1 to 8 are the id of the key.
      await expectCode(index >= 1 && index <= 8 ? 'A5012' : 'A5014', attempt(key, changed))
    }
    for (const length of [0, 1, 20, sealed.length - 1])
      await expectCode('A5014', attempt(key, sealed.subarray(0, length)))
  })

  test('says which key it was sealed with when it is opened with another', async () => {
    const other = ledgerKeyOf('another secret, also long enough')
    const opening = attempt(other, key.seal('x', about))
    await expectCode('A5012', opening)
    await expect(opening).rejects.toThrow(`sealed with the key ${key.id}, and the key that is given is ${other.id}`)
  })
})

describe('a keyed hash', () => {
  test('is the same for the same value of the same kind under the same key, and for nothing else', () => {
    const other = ledgerKeyOf('another secret, also long enough')
    const hashes = [key.hash('a', 'bc'), key.hash('ab', 'c'), key.hash('b', 'bc'), other.hash('a', 'bc')]
    expect(new Set(hashes).size).toBe(4)
    expect(key.hash('a', 'bc')).toBe(hashes[0])
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/)
  })
})
