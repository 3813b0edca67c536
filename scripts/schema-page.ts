/** A page of the reference from one JSON Schema. Pure. */

interface Node {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Node
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly allOf?: readonly Node[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly $ref?: string
}

interface Row {
  readonly path: string
  readonly node: Node
  readonly required: boolean
}

/** Every key of the schema in the order in which it stands there, nested ones by their dotted path. */
export function schemaTable(schema: object): string {
  const rows = keysOf(schema as Node, '')
  const lines = rows.map(({ path, node, required }) =>
    ['', `\`${path}\``, typeText(node), required ? 'yes' : '', cell(meaning(node)), ''].join(' | ').trim(),
  )
  return ['| key | type | required | meaning |', '| --- | --- | --- | --- |', ...lines].join('\n')
}

function keysOf(node: Node, prefix: string): readonly Row[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`
    return [{ path, node: child, required: node.required?.includes(name) ?? false }, ...nested(child, path)]
  })
  const rest =
    typeof node.additionalProperties === 'object' ? nested(node.additionalProperties, `${prefix}.<name>`) : []
  return [...own, ...rest]
}

function nested(node: Node, path: string): readonly Row[] {
  if (node.properties !== undefined || typeof node.additionalProperties === 'object') return keysOf(node, path)
  if (node.items !== undefined) return nested(node.items, `${path}[]`)
  // Several forms: the keys of each, once.
  const seen = new Set<string>()
  return (node.anyOf ?? []).flatMap(form => nested(form, path)).filter(row => !seen.has(row.path) && seen.add(row.path))
}

function typeText(node: Node): string {
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``
  if (node.enum !== undefined) return node.enum.map(value => `\`${String(value)}\``).join(', ')
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(typeText))].join(' or ')
  if (node.allOf !== undefined || node.$ref !== undefined) return 'any value'
  if (node.items !== undefined) return `list of ${typeText(node.items)}`
  if (node.type === 'object') return node.properties === undefined ? 'map' : 'object'
  return node.type ?? 'any value'
}

function meaning({ description, default: standard }: Node): string {
  const text = description ?? ''
  return standard === undefined ? text : `${text} Default: \`${JSON.stringify(standard)}\`.`.trim()
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
