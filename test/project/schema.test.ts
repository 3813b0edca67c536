import { expect, test } from 'vitest'
import { projectCodes } from '../../src/project/codes.ts'
import { fileSchemas, jsonSchemas } from '../../src/project/schema.ts'

type Node = { readonly [key: string]: unknown }

function* properties(node: unknown, path: string): Generator<readonly [path: string, schema: Node]> {
  if (Array.isArray(node)) for (const [index, item] of node.entries()) yield* properties(item, `${path}/${index}`)
  else if (typeof node === 'object' && node !== null) {
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties' && typeof value === 'object' && value !== null) {
        for (const [name, schema] of Object.entries(value)) yield [`${path}/${name}`, schema as Node]
      }
      yield* properties(value, `${path}/${key}`)
    }
  }
}

test.each(Object.entries(jsonSchemas()))('documents every key of the %s file', (_, schema) => {
  const all = [...properties(schema, '')]
  expect(all.length).toBeGreaterThan(5)
  expect(all.filter(([, { description }]) => typeof description !== 'string').map(([path]) => path)).toEqual([])
})

test.each(Object.entries(jsonSchemas()))('is draft 07 and closed at the top for the %s file', (_, schema) => {
  expect(schema).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', additionalProperties: false })
})

test('does not demand keys that have a default, and names the default', () => {
  const { sync, project } = jsonSchemas() as Record<string, { required: string[]; properties: Record<string, Node> }>
  expect(sync?.required).toEqual(['model', 'destination', 'action', 'mode'])
  expect(project?.required).toEqual(['name'])
  expect(sync?.properties.on_uncertain).toMatchObject({ default: 'park', enum: ['park', 'resend'] })
})

test('is the schema that validates', () => {
  expect(Object.keys(jsonSchemas())).toEqual(Object.keys(fileSchemas))
})

test('explains every code in sentences', () => {
  for (const [code, { title, explanation }] of Object.entries(projectCodes)) {
    expect(code).toMatch(/^A1\d{3}$/)
    expect(title.length).toBeGreaterThan(5)
    expect(explanation).toMatch(/[.`]$/)
  }
})
