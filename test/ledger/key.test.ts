import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyBeside, keyFileOf, keyOfSecret } from '../../src/ledger/key.ts'
import { expectCode } from './expect-code.ts'

let folder: string
let ledger: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-key-'))
  ledger = join(folder, 'ledger.db')
  file = keyFileOf(ledger)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const beside = (mayMake: boolean) => async () => keyBeside(ledger)({ mayMake })

describe('the key file beside the ledger', () => {
  test('is made once, whole, for its owner alone', async () => {
    const made = await beside(true)()
    expect(await beside(true)()).toMatchObject({ id: made.id })
    expect(await beside(false)()).toMatchObject({ id: made.id })
    expect([statSync(file).mode & 0o777, readdirSync(folder)]).toEqual([0o600, ['ledger.db.key']])
    expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  })

  test('is not made anew when something was sealed with it', async () => {
    await expectCode('A5011', beside(false)())
    expect(existsSync(file)).toBe(false)
  })

  test('is closed to others when it was open to them', async () => {
    await beside(true)()
    chmodSync(file, 0o644)
    await beside(false)()
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test.each([
    '',
    'abc\n',
    'g'.repeat(64),
    'a'.repeat(63),
    `${'a'.repeat(64)}b`,
  ])('is refused when it holds %j', async text => {
    writeFileSync(file, text)
    await expectCode('A5013', beside(true)())
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('is an error of its own where it cannot be made', async () => {
    await expectCode('A5013', (async () => keyBeside(join(folder, 'missing', 'ledger.db'))({ mayMake: true }))())
  })
})

describe('the key of a secret', () => {
  test('follows from the secret alone, whatever newline ends it', () => {
    const secret = 'f'.repeat(64)
    const ids = [secret, `${secret}\n`, 'e'.repeat(64)].map(text => keyOfSecret(() => text)({ mayMake: false }).id)
    expect([ids[0] === ids[1], ids[0] === ids[2]]).toEqual([true, false])
  })

  test('is refused when the secret is short', async () => {
    await expectCode('A5013', (async () => keyOfSecret(() => 'hunter2')({ mayMake: true }))())
  })
})
