/** The JSON Schemas of the project files, with each destination's own settings in the project's. */
import { z } from 'zod'
import type { DestinationDefinition } from '../delivery/destination.ts'
import { type FileKind, jsonSchemas } from '../project/schema.ts'

type JsonObject = Readonly<Record<string, unknown>>

export const kinds = ['project', 'sync', 'model'] as const satisfies readonly FileKind[]

/** Draft-07, ready to be written: two spaces and a line break at the end. */
export function schemaText(kind: FileKind, definitions: readonly DestinationDefinition[]): string {
  const schema = kind === 'project' ? withDestinations(jsonSchemas().project, definitions) : jsonSchemas()[kind]
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Wherever the schema says "any destination", it then says "one of these types, each with its settings". */
export function withDestinations(schema: object, definitions: readonly DestinationDefinition[]): object {
  const choice = { anyOf: definitions.map(destinationSchema) }
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit)
    if (!isObject(node)) return node
    return Object.fromEntries(
      Object.entries(node).map(([name, value]) => {
        if (name !== 'destinations' || !isObject(value) || !isObject(value.additionalProperties))
          return [name, visit(value)]
        return [name, { ...value, additionalProperties: choice }]
      }),
    )
  }
  return { ...schema, ...(isObject(schema) ? (visit(schema) as object) : {}) }
}

function destinationSchema(definition: DestinationDefinition): JsonObject {
  const { $schema: _, ...settings } = z.toJSONSchema(definition.settings, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
  })
  const required = Array.isArray(settings.required) ? settings.required : []
  return {
    ...settings,
    title: definition.name,
    description: definition.summary,
    properties: { type: { const: definition.name, description: definition.summary }, ...settings.properties },
    required: ['type', ...required],
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
