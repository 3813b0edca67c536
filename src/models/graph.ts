/** In which order models are computed. */
import { ActivateError, type Place, type Problem } from '../project/problem.ts'
import type { ModelsCode } from './codes.ts'

/** A model and those it refers to, each with the place of the `ref`. */
export interface GraphNode {
  readonly name: string
  readonly refs: readonly { readonly name: string; readonly place: Place }[]
}

/** Names such that each comes after all it refers to; the given order wherever that leaves a choice. Throws A2010. */
export function buildOrder(models: readonly GraphNode[]): readonly string[] {
  const { order, circles } = walkGraph(models)
  if (circles.length > 0) throw new ActivateError('invalid', circles)
  return order
}

interface Step {
  readonly node: GraphNode
  next: number
}

/** Depth first, on a stack of its own, so that a long chain of models does not end in a stack overflow. */
export function walkGraph(models: readonly GraphNode[]): { order: readonly string[]; circles: readonly Problem[] } {
  const nodes = new Map(models.map(model => [model.name, model]))
  const done = new Set<string>()
  const circles: Problem[] = []
  for (const start of models) {
    if (done.has(start.name)) continue
    const path: Step[] = [{ node: start, next: 0 }]
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const ref = step.node.refs[step.next]
      step.next += 1
      if (ref === undefined) {
        done.add(step.node.name)
        path.pop()
        continue
      }
      const node = nodes.get(ref.name)
      if (node === undefined || done.has(ref.name)) continue
      const from = path.findIndex(each => each.node.name === ref.name)
      if (from < 0) path.push({ node, next: 0 })
      else circles.push(circle([...path.slice(from).map(each => each.node.name), ref.name], ref.place))
    }
  }
  return { order: [...done], circles }
}

function circle(names: readonly string[], place: Place): Problem {
  const message = `models refer to each other in a circle: ${names.join(' -> ')}`
  return { code: 'A2010' satisfies ModelsCode, message, place, help: 'take one of these refs out' }
}

/** These names and all that they refer to, directly or not. */
export function closure(names: Iterable<string>, refsOf: (name: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set<string>()
  const open = [...names]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue
    found.add(name)
    open.push(...refsOf(name))
  }
  return found
}
