import { expect, test } from 'vitest'
import { kinds, schemaText } from '../../src/cli/schemas.ts'
import { destinations } from '../../src/destinations/index.ts'

test.each(kinds)('every reference in the schema of the %s file leads to a definition of that file', kind => {
  const text = schemaText(kind, destinations)
  const schema = JSON.parse(text) as { readonly definitions?: Readonly<Record<string, unknown>> }
  const references = [...text.matchAll(/"\$ref": "#\/definitions\/([^"]+)"/g)].map(([, name = '']) => name)
  expect(references.filter(name => schema.definitions?.[name] === undefined)).toEqual([])
  expect(text.match(/"definitions":/g)?.length ?? 0).toBeLessThanOrEqual(1)
})

test('a destination may use references at all', () => {
  expect(schemaText('project', destinations)).toContain('"$ref"')
})
