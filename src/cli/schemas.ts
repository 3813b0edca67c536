/** The JSON Schemas of the project files, with each destination's own settings in the project's. */
import { z } from 'zod'
import type { DestinationDefinition } from '../delivery/destination.ts'
import { type FileKind, jsonSchemas } from '../project/schema.ts'

type JsonObject = Readonly<Record<string, unknown>>

export const kinds = ['project', 'sync', 'model', 'outcome'] as const satisfies readonly FileKind[]

/** Draft-07, ready to be written: two spaces and a line break at the end. */
export function schemaText(kind: FileKind, definitions: readonly DestinationDefinition[]): string {
  const schema = kind === 'project' ? withDestinations(jsonSchemas().project, definitions) : jsonSchemas()[kind]
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Wherever the schema says "any destination", it then says "one of these types, each with its settings". */
export function withDestinations(schema: object, definitions: readonly DestinationDefinition[]): object {
  const made = definitions.map(destinationSchema)
  const choice = { anyOf: made.map(({ schema }) => schema) }
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
  const visited = visit(schema)
  if (!isObject(visited)) return schema
  const own = isObject(visited.definitions) ? visited.definitions : {}
  return { ...visited, definitions: Object.assign({}, own, ...made.map(({ shared }) => shared)) }
}

/** One destination's schema, and what it refers to: references count from the root of the file, so these parts go there. */
function destinationSchema(definition: DestinationDefinition): {
  readonly schema: JsonObject
  readonly shared: JsonObject
} {
  const {
    $schema: _,
    definitions: shared,
    ...settings
  } = prefixed(
    z.toJSONSchema(definition.settings, { target: 'draft-7', io: 'input', unrepresentable: 'any' }),
    definition.name,
  )
  const required = Array.isArray(settings.required) ? settings.required : []
  const schema = {
    ...settings,
    title: definition.name,
    description: definition.summary,
    properties: {
      type: { const: definition.name, description: definition.summary },
      ...(isObject(settings.properties) ? settings.properties : {}),
    },
    required: ['type', ...required],
  }
  return { schema, shared: isObject(shared) ? shared : {} }
}

/** Definitions under names of the destination's own, so that those of two destinations never meet. */
function prefixed(schema: z.core.JSONSchema.JSONSchema, name: string): JsonObject {
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit)
    if (!isObject(node)) return node
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) =>
        key === '$ref' && typeof value === 'string'
          ? [key, value.replace('#/definitions/', `#/definitions/${name}`)]
          : [key, visit(value)],
      ),
    )
  }
  const renamed = Object.fromEntries(
    Object.entries(schema.definitions ?? {}).map(([key, value]) => [`${name}${key}`, visit(value)]),
  )
  return { ...(visit(schema) as JsonObject), definitions: renamed }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
