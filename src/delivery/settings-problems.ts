/** What a definition's schema says about the settings in `activate.yml`, as problems with places. */
import { z } from 'zod'
import type { Place, Problem } from '../project/problem.ts'
import type { DestinationSettings } from '../project/project.ts'
import { suggestion } from '../project/suggest.ts'

type Issue = z.core.$ZodIssue

/** One problem for each issue; an unknown key is a problem of its own, with the nearest name that is known there. */
export function settingsProblems(
  schema: z.ZodType,
  settings: DestinationSettings,
  issues: readonly Issue[],
): readonly Problem[] {
  return issues.flatMap(withinUnion).flatMap(issue => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map(key => unknownSetting(schema, settings, issue.path, key))
    }
    const path = issue.path.map(String)
    const shown = path.length === 0 ? '' : `, setting "${path.join('.')}"`
    const own = helpOf(issue, settings)
    return [
      {
        code: own.code ?? 'A6502',
        message: `destination "${settings.name}"${shown}: ${textOf(issue)}`,
        place: placeOf(settings, path),
        ...(own.help !== undefined && { help: own.help }),
      },
    ]
  })
}

/** Where only one of several forms can have been meant, what is wrong with that one; its own words are nearer than "must be one of". */
function withinUnion(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors.filter(form =>
    form.every(({ code, path }) => path.length > 0 && (path.length > 1 || code !== 'invalid_type')),
  )
  const [only, second] = meant
  if (only === undefined || only.length === 0 || second !== undefined) return [issue]
  return only.map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

/** The place of the setting itself, or of the nearest block around it that stands in the file. */
export function placeOf(settings: DestinationSettings, path: readonly string[]): Place {
  for (let length = path.length; length > 0; length--) {
    const place = settings.places[path.slice(0, length).join('.')]
    if (place !== undefined) return place
  }
  return settings.place
}

function unknownSetting(
  schema: z.ZodType,
  settings: DestinationSettings,
  path: readonly PropertyKey[],
  key: string,
): Problem {
  const way = [...path.map(String), key]
  const help = suggestion(key, keysAt(schema, path), 'settings here')
  return {
    code: 'A6502',
    message: `destination "${settings.name}": unknown setting "${way.join('.')}"`,
    place: placeOf(settings, way),
    ...(help !== undefined && { help }),
  }
}

/** The keys that a schema knows at a path, as its JSON Schema has them. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let nodes: readonly z.core.JSONSchema.JSONSchema[] = [z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })]
  for (const part of path) {
    nodes = nodes.flatMap(alternatives).flatMap(node => {
      const next =
        typeof part === 'number' ? node.items : (node.properties?.[String(part)] ?? node.additionalProperties)
      return typeof next === 'object' && !Array.isArray(next) ? [next] : []
    })
  }
  return nodes.flatMap(alternatives).flatMap(node => Object.keys(node.properties ?? {}))
}

function alternatives(node: z.core.JSONSchema.JSONSchema): readonly z.core.JSONSchema.JSONSchema[] {
  return [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap(one => (typeof one === 'object' ? [one] : []))
}

function textOf(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined && /received undefined/.test(issue.message))
    return 'missing'
  if (issue.code === 'custom' || issue.code === 'invalid_union') return issue.message
  if (issue.code === 'invalid_key') return `not valid as a name: ${issue.issues[0]?.message ?? issue.message}`
  const text = issue.message.replace(/^(Invalid input|Invalid option|Invalid string|Too small|Too big): /, '')
  return /^(expected|must)/.test(text) ? text : `not valid: ${text}`
}

function helpOf(issue: Issue, settings: DestinationSettings): { readonly code?: string; readonly help?: string } {
  if (issue.code === 'invalid_value') {
    const written = issue.path.reduce<unknown>(
      (at, part) => (at as Readonly<Record<PropertyKey, unknown>>)[part],
      settings.settings,
    )
    const help = suggestion(String(written), issue.values.map(String), 'it takes')
    return help === undefined ? {} : { help }
  }
  if (issue.code !== 'custom' || issue.params === undefined) return {}
  const { code, help } = issue.params
  return { ...(typeof code === 'string' && { code }), ...(typeof help === 'string' && { help }) }
}
