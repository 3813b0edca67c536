/** The keys of a file or of a block of settings as tables, read off its JSON Schema: what the reference pages consist of. Pure. */
import type { z } from 'zod'

type Schema = z.core.JSONSchema.JSONSchema

export interface KeyRow {
  /** Dotted; `<name>` stands for names of your own, `[]` for the items of a list. */
  readonly path: string
  /** Which alternative has the key, where alternatives are told apart by `type`. */
  readonly variant?: string
  readonly type: string
  readonly required: boolean
  /** As JSON. */
  readonly fallback?: string
  readonly meaning: string
}

/** Every key below the schema, parents before children. A block that was already listed is referred to, not repeated. */
export function keyRows(schema: Schema): readonly KeyRow[] {
  const listed = new Map<string, string>()

  function below(node: Schema, path: string, variant?: string): readonly KeyRow[] {
    return Object.entries(node.properties ?? {}).flatMap(([name, property]) => {
      if (typeof property !== 'object') return []
      const full = path === '' ? name : `${path}.${name}`
      const known = shapeOf(property)
      const seen = known === undefined ? undefined : listed.get(known)
      if (known !== undefined && seen === undefined) listed.set(known, full)
      const row: KeyRow = {
        path: full,
        ...(variant !== undefined && { variant }),
        type: typeName(property),
        required: node.required?.includes(name) ?? false,
        ...(property.default !== undefined && { fallback: JSON.stringify(property.default) }),
        meaning: `${sentence(property.description ?? '')}${seen === undefined ? '' : ` Keys as under \`${seen}\`.`}`,
      }
      return seen === undefined ? [row, ...inside(property, full)] : [row]
    })
  }

  function inside(node: Schema, path: string): readonly KeyRow[] {
    const alternatives = (node.anyOf ?? node.oneOf ?? []).filter(isSchema)
    const { items, additionalProperties: others } = node
    return [
      ...below(node, path),
      ...(isSchema(items) ? inside(items, `${path}[]`) : []),
      ...(isSchema(others) ? inside(others, `${path}.<name>`) : []),
      ...distinct(
        alternatives.flatMap(one =>
          variantOf(one) === undefined ? inside(form(one), path) : below(one, path, variantOf(one)),
        ),
      ),
    ]
  }

  return below(schema, '')
}

/** Rows as a Markdown table. */
export function keyTable(rows: readonly KeyRow[]): string {
  return markdownTable(
    ['key', 'type', 'default', 'meaning'],
    rows.map(row => [
      row.variant === undefined ? `\`${row.path}\`` : `\`${row.path}\` (${row.variant})`,
      row.type,
      row.required ? '**required**' : row.fallback === undefined ? '' : `\`${row.fallback}\``,
      row.meaning,
    ]),
  )
}

/** A Markdown table; bars and line breaks within cells are made harmless. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

/** Where one key alone tells a form from the others, it is what is chosen, and not what is required. */
function form(schema: Schema): Schema {
  return Object.keys(schema.properties ?? {}).length === 1 ? { ...schema, required: [] } : schema
}

/** Forms may have keys in common. */
function distinct(rows: readonly KeyRow[]): readonly KeyRow[] {
  const texts = rows.map(row => JSON.stringify(row))
  return rows.filter((_, index) => texts.indexOf(texts[index] ?? '') === index)
}

/** The parts of a block that make it the same block elsewhere; undefined for what has no keys of its own. */
function shapeOf({ description: _, default: __, ...shape }: Schema): string | undefined {
  const text = JSON.stringify(shape)
  return text.includes('"properties":') ? text : undefined
}

function variantOf(schema: Schema): string | undefined {
  const type = schema.properties?.type
  return isSchema(type) && typeof type.const === 'string' ? type.const : undefined
}

function typeName(schema: Schema): string {
  if (schema.$ref !== undefined || schema.allOf?.some(one => isSchema(one) && one.$ref !== undefined)) return 'any'
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${String(value)}\``).join(', ')
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  const alternatives = (schema.anyOf ?? schema.oneOf)?.filter(isSchema)
  if (alternatives !== undefined) return [...new Set(alternatives.map(one => typeName(one)))].join(' or ')
  if (schema.type === 'array') return arrayName(schema)
  if (schema.type === 'object') return objectName(schema)
  if (Array.isArray(schema.type)) return schema.type.map(nameOf).join(' or ')
  return schema.type === undefined ? 'any' : nameOf(schema.type)
}

function arrayName({ items }: Schema): string {
  if (!isSchema(items)) return Array.isArray(items) ? `list of ${items.length}` : 'list'
  return `list of ${typeName(items)}`
}

function objectName(schema: Schema): string {
  if (schema.properties !== undefined || !isSchema(schema.additionalProperties)) return 'block'
  return `names to ${typeName(schema.additionalProperties)}`
}

function nameOf(type: string): string {
  return type === 'string' ? 'text' : type
}

function sentence(text: string): string {
  return text === '' || /[.…!?]$/.test(text) ? text : `${text}.`
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
