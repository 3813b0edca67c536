/** What depends on what, from sources over models to syncs; for selectors such as `+at_risk` and `source:orders+`. */
import type { Project } from './project.ts'

export type NodeName = `${'sync' | 'model' | 'source'}:${string}`

export interface Lineage {
  readonly reads: ReadonlyMap<NodeName, readonly NodeName[]>
  readonly readBy: ReadonlyMap<NodeName, readonly NodeName[]>
}

/**
 * `dependencies` names, for each model, the models it reads and, as `source:<name>`, the sources. A bare name that is
 * no model, or the model itself, is taken for a source.
 */
export function lineage(
  project: Pick<Project, 'syncs' | 'models'>,
  dependencies: Readonly<Record<string, readonly string[]>>,
): Lineage {
  const models = new Set(project.models.map(({ name }) => name))
  const node = (model: string, name: string): NodeName => {
    if (name.startsWith('source:')) return `source:${name.slice('source:'.length)}`
    return models.has(name) && name !== model ? `model:${name}` : `source:${name}`
  }
  const edges: [NodeName, NodeName][] = [
    ...project.syncs.map(({ name, model }): [NodeName, NodeName] => [`sync:${name}`, `model:${model}`]),
    ...Object.entries(dependencies).flatMap(([model, names]) =>
      names.map((name): [NodeName, NodeName] => [`model:${model}`, node(model, name)]),
    ),
  ]
  const reads = new Map<NodeName, NodeName[]>()
  const readBy = new Map<NodeName, NodeName[]>()
  for (const [reader, read] of edges) {
    reads.set(reader, [...(reads.get(reader) ?? []), read])
    readBy.set(read, [...(readBy.get(read) ?? []), reader])
  }
  return { reads, readBy }
}

/** Breadth first, so that each node is reached by its shortest way. Cycles are walked once. */
function reach(edges: ReadonlyMap<NodeName, readonly NodeName[]>, from: NodeName, steps: number): NodeName[] {
  const seen = new Set([from])
  let frontier = [from]
  for (let step = 0; step < steps && frontier.length > 0; step++) {
    frontier = frontier.flatMap(node => edges.get(node) ?? []).filter(node => !seen.has(node) && seen.add(node))
  }
  seen.delete(from)
  return [...seen]
}

export const ancestors = (graph: Lineage, node: NodeName, steps: number): NodeName[] => reach(graph.reads, node, steps)
export const descendants = (graph: Lineage, node: NodeName, steps: number): NodeName[] =>
  reach(graph.readBy, node, steps)
