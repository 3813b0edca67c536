import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ActivateError } from '../../src/project/problem.ts'
import {
  listSecretRefs,
  parseSecretText,
  resolveSecrets,
  resolveSecretText,
  secret,
  secretText,
} from '../../src/project/secret.ts'

const ref = (inner: string): string => `\${${inner}}`
const readers = {
  env: { TOKEN: 's3cret', EMPTY: '', NESTED: ref('env:TOKEN') },
  readFile: (path: string): string => {
    if (path === '/run/key') return 'from-file\n'
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
  },
}

function failure(run: () => unknown): ActivateError {
  try {
    run()
  } catch (error) {
    if (error instanceof ActivateError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('splits a text at its references', () => {
  expect(parseSecretText(`Bearer ${ref('env:TOKEN')}!`)).toEqual(['Bearer ', { secret: 'env', name: 'TOKEN' }, '!'])
  expect(parseSecretText('plain')).toEqual(['plain'])
  expect(parseSecretText('')).toEqual([])
})

test('replaces references deep inside plain data and leaves the rest as it is', () => {
  const settings = {
    headers: { authorization: `Bearer ${ref('env:TOKEN')}` },
    list: [1, null, ref('file:/run/key')],
    on: true,
  }
  expect(resolveSecrets(settings, readers)).toEqual({
    headers: { authorization: 'Bearer s3cret' },
    list: [1, null, 'from-file'],
    on: true,
  })
  expect(settings.list[2]).toBe(ref('file:/run/key'))
})

test('does not resolve what a secret itself contains', () => {
  expect(resolveSecrets(ref('env:NESTED'), readers)).toBe(ref('env:TOKEN'))
})

test('names every missing credential at once, with its place and never with a value', () => {
  const place = { file: 'activate.yml', line: 3, column: 5 }
  const settings = { a: ref('env:NOPE'), b: `${ref('env:TOKEN')}${ref('env:EMPTY')}`, c: [ref('file:/gone')] }
  const error = failure(() => resolveSecrets(settings, readers, { a: place }))
  expect(error.exit).toBe('credentials')
  expect(error.problems.map(({ code, message }) => `${code} ${message}`)).toEqual([
    'A1150 the environment variable NOPE is not set',
    'A1150 the environment variable EMPTY is empty',
    'A1151 the secret file /gone cannot be read (ENOENT)',
  ])
  expect(error.problems[0]?.place).toEqual(place)
  expect(JSON.stringify(error.problems)).not.toContain('s3cret')
})

test('finds no credential in what every object inherits', () => {
  expect(failure(() => resolveSecrets(ref('env:toString'), readers)).problems[0]?.code).toBe('A1150')
})

test('resolves a parsed text', () => {
  expect(resolveSecretText(parseSecretText(`postgres://u:${ref('env:TOKEN')}@h/d`), readers)).toBe(
    'postgres://u:s3cret@h/d',
  )
})

test('lists each reference once', () => {
  const refs = listSecretRefs({ a: ref('env:A'), b: [ref('env:A'), `${ref('env:B')}${ref('file:c')}`], c: 'x' })
  expect(refs.map(({ secret: kind, name }) => `${kind}:${name}`)).toEqual(['env:A', 'env:B', 'file:c'])
})

test('keeps every text that holds no reference', () => {
  fc.assert(
    fc.property(
      fc.string().filter(text => !text.includes('{')),
      text => resolveSecrets(text, readers) === text,
    ),
  )
})

test('refuses a literal where a credential is wanted, without repeating it', () => {
  const result = z.object({ token: secret() }).safeParse({ token: 'hunter2' })
  expect(result.error?.issues).toMatchObject([{ code: 'custom', params: { code: 'A1140' }, path: ['token'] }])
  expect(JSON.stringify(result.error?.issues)).not.toContain('hunter2')
  expect(secret().parse(ref('env:TOKEN'))).toBe(ref('env:TOKEN'))
})

test.each(['TOKEN', 'vault:x', 'env:', 'env:A B', 'ENV:A', ''])('refuses the malformed reference %j', inner => {
  expect(secretText().safeParse(`x${ref(inner)}`).error?.issues).toMatchObject([{ params: { code: 'A1141' } }])
})

test('is a text with a pattern in JSON Schema', () => {
  expect(z.toJSONSchema(secret(), { target: 'draft-7', io: 'input' })).toMatchObject({
    type: 'string',
    pattern: expect.stringContaining('env'),
  })
})
