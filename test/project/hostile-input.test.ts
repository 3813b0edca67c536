import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDocument } from '../../src/project/document.ts'
import { problemsOf, sound } from './folder.ts'

test('refuses files that are too large, too deep or not UTF-8, quickly and without parsing them', async () => {
  const bomb = `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [${`*${i === 0 ? 'a' : `b${i - 1}`},`.repeat(9)}]`).join('\n')}\n`
  const cases: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['A1003', `a: ${'x'.repeat(2_000_000)}`, '1:1'],
    ['A1005', `a:\n\tb: 1\nc: ${'['.repeat(20_000)}`, '3:67'],
    ['A1005', `${'- '.repeat(70)}x`, '1:1'],
    ['A1005', Array.from({ length: 70 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), '65:65'],
    ['A1004', Buffer.concat([Buffer.from('a: 1\nb: '), Buffer.from([0xff, 0xfe])]), '2:1'],
    ['A1011', bomb, ''],
  ]
  for (const [code, content, at] of cases) {
    const problems = await problemsOf({ ...sound, 'syncs/at_risk.yml': content })
    expect(problems.map(problem => problem.code)).toContain(code)
    const place = problems.find(problem => problem.code === code)?.place
    if (at !== '') expect(`${place?.line}:${place?.column}`).toBe(at)
  }
})

test('pollutes no prototype', async () => {
  await problemsOf({
    ...sound,
    'activate.yml': `${sound['activate.yml']}vars:\n  __proto__: { polluted: yes }\n  "__proto__": { polluted: yes }\n`,
  })
  expect({}).not.toHaveProperty('polluted')
})

const yamlish = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'name: a',
        'model: at_risk',
        'destination: crm',
        'action: x',
        'mode: mirror',
        'mode: trigger',
        'fields:',
        '  a: b',
        'trigger: {',
        '}',
        ']',
        '- ',
        '&a',
        '*a',
        '!t',
        '"',
        "'",
        '|',
        '>',
        '? ',
        ': ',
        '<<: *a',
        'guard:',
        'sources:',
        '  x: { csv: 1 }',
        'targets:',
        'warehouse: { type: duckdb, path: 1 }',
        'ledger: { type: sqlite, path: 12 }',
        '{{x}}',
        '\t',
        '#',
        '---',
        '%',
        '123456789012345678901',
        '/*---',
        '---*/',
      ),
      fc.string({ maxLength: 8, unit: 'binary' }),
    ),
    { maxLength: 12 },
  )
  .chain(parts => fc.constantFrom('\n', ' ', '').map(separator => parts.join(separator)))

test('throws nothing but ActivateError, with a place for every problem, whatever the files hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...(Object.keys(sound) as (keyof typeof sound)[])),
      yamlish,
      fc.boolean(),
      async (path, text, append) => {
        const problems = await problemsOf({ ...sound, [path]: append ? sound[path] + text : text })
        for (const { place } of problems) {
          expect(place?.line).toBeGreaterThan(0)
          expect(place?.column).toBeGreaterThan(0)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('reads what JSON can say as JSON would', () => {
  const key = fc
    .string({ minLength: 1, maxLength: 6 })
    .filter(name => !['__proto__', 'constructor', 'prototype', '<<'].includes(name))
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(
      value.filter(data => data !== null),
      data => {
        const { document, problems } = readDocument({ path: 'x.yml', text: JSON.stringify(data) })
        expect(problems).toEqual([])
        expect(document?.data).toEqual(data)
      },
    ),
  )
})
