/** Which syncs a command works on: a subset of dbt's selector grammar. Pure. */

import { glob } from './glob.ts'
import { ancestors, descendants, type Lineage, lineage, type NodeName } from './lineage.ts'
import { ActivateError, type Problem } from './problem.ts'
import type { Project, Sync } from './project.ts'
import { suggest, suggestion } from './suggest.ts'

export interface Selection {
  /** Each entry may hold several terms, separated by spaces: their union. A comma is an intersection. */
  readonly select?: readonly string[]
  readonly exclude?: readonly string[]
  /** Status of the last run by sync, for `result:`. */
  readonly results?: Readonly<Record<string, string>>
  /** What each model reads: names of models, and `source:<name>` for sources; for `+x` and `x+`. */
  readonly dependencies?: Readonly<Record<string, readonly string[]>>
}

type Selectable = Pick<Project, 'syncs' | 'models' | 'sources'>

const methods = ['name', 'tag', 'model', 'source', 'destination', 'path', 'result'] as const
type Method = (typeof methods)[number]

interface Term {
  readonly written: string
  readonly method: Method
  readonly pattern: string
  /** How many steps upstream and downstream come along. */
  readonly upstream: number
  readonly downstream: number
}

interface Context {
  readonly project: Selectable
  readonly graph: Lineage
  readonly results: Readonly<Record<string, string>> | undefined
}

/** The selected syncs in the project's order. Throws ActivateError A1180 when nothing, or a term nothing, matches; A1181, malformed. */
export function selectSyncs(project: Selectable, selection: Selection = {}): readonly Sync[] {
  const { select = [], exclude = [], results, dependencies = {} } = selection
  const context = { project, graph: lineage(project, dependencies), results }
  const included = select.length === 0 ? undefined : union(select, context)
  const excluded = union(exclude, context)
  const syncs = project.syncs.filter(({ name }) => {
    const node: NodeName = `sync:${name}`
    return (included === undefined || included.has(node)) && !excluded.has(node)
  })
  if (syncs.length > 0 || (select.length === 0 && exclude.length === 0)) return syncs
  throw nothing(select, exclude, project)
}

const split = (texts: readonly string[]): string[] =>
  texts.flatMap(text => text.split(/\s+/)).filter(text => text !== '')

function union(texts: readonly string[], context: Context): ReadonlySet<NodeName> {
  const problems: Problem[] = []
  const nodes = split(texts).flatMap(text => {
    const parts = text.split(',').map(part => parse(part, text))
    const sets = parts.map(part => ('code' in part ? collect(problems, part) : evaluate(part, context, problems)))
    return [...sets.reduce((left, right) => left.filter(node => right.includes(node)))]
  })
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  return new Set(nodes)
}

function collect(problems: Problem[], problem: Problem): NodeName[] {
  problems.push(problem)
  return []
}

/** One term: `2+tag:x+1` is a tag with two steps of what it reads and one of what reads it. */
function parse(text: string, whole: string): Term | Problem {
  const match = /^(?:(\d*)\+)?(?:([a-z_]+):)?([^+,:\s]+)(?:\+(\d*))?$/.exec(text)
  const [, upstream, method = 'name', pattern, downstream] = match ?? []
  if (pattern === undefined) return { code: 'A1181', message: `"${whole}" is not a selector`, help: selectorHelp }
  if (!isMethod(method)) {
    const near = suggest(method, methods)
    const help = near === undefined ? selectorHelp : `did you mean "${near}:"?`
    return { code: 'A1181', message: `unknown selector "${method}:"`, help }
  }
  const steps = (count: string | undefined) =>
    count === undefined ? 0 : count === '' ? Number.POSITIVE_INFINITY : Number(count)
  return { written: text, method, pattern, upstream: steps(upstream), downstream: steps(downstream) }
}

const selectorHelp =
  'write a name, a glob with *, or tag:, model:, source:, destination:, path:, result:; + before or after adds what is upstream or downstream'

const isMethod = (text: string): text is Method => (methods as readonly string[]).includes(text)

function evaluate(term: Term, context: Context, problems: Problem[]): NodeName[] {
  if (term.method === 'result' && context.results === undefined) {
    const message = `"${term.written}" needs the results of earlier runs`
    return collect(problems, {
      code: 'A1181',
      message,
      help: 'result: works where the ledger is read: run, dry-run and status',
    })
  }
  const matched = matches(term, context)
  if (matched.length === 0 && term.method !== 'result') return collect(problems, unmatched(term, context.project))
  const wider = matched.flatMap(node => [
    ...ancestors(context.graph, node, term.upstream),
    ...descendants(context.graph, node, term.downstream),
  ])
  return [...new Set([...matched, ...wider])]
}

function matches(term: Term, { project, results }: Context): NodeName[] {
  const fits = glob(term.pattern)
  const syncs = (which: (sync: Sync) => boolean) =>
    project.syncs.filter(which).map(({ name }): NodeName => `sync:${name}`)
  const models = (which: (model: Project['models'][number]) => boolean) =>
    project.models.filter(which).map(({ name }): NodeName => `model:${name}`)
  const sources = (which: (source: Project['sources'][number]) => boolean) =>
    project.sources.filter(which).map(({ name }): NodeName => `source:${name}`)
  switch (term.method) {
    case 'name': {
      const named = (thing: { readonly name: string }) => fits(thing.name)
      return [...syncs(named), ...models(named), ...sources(named)]
    }
    case 'tag': {
      const tagged = (thing: { readonly tags: readonly string[] }) => thing.tags.some(fits)
      return [...syncs(tagged), ...models(tagged), ...sources(tagged)]
    }
    case 'model':
      return [...models(({ name }) => fits(name)), ...syncs(({ model }) => fits(model))]
    case 'source':
      return sources(({ name }) => fits(name))
    case 'destination':
      return syncs(({ destination }) => fits(destination))
    case 'path': {
      const inside = glob(`${term.pattern.replace(/^\.\//, '').replace(/\/$/, '')}/*`)
      const below = ({ path }: { readonly path: string }) =>
        fits(path) || inside(path) || path === term.pattern.replace(/^\.\//, '')
      return [...syncs(below), ...models(below)]
    }
    case 'result':
      return syncs(({ name }) => results !== undefined && Object.hasOwn(results, name) && fits(results[name] ?? ''))
  }
}

function namesFor(method: Method, { syncs, models, sources }: Selectable): string[] {
  const tags = [...syncs, ...models, ...sources].flatMap(thing => thing.tags)
  const names: Readonly<Record<Method, readonly string[]>> = {
    name: [...syncs, ...models, ...sources].map(({ name }) => name),
    tag: tags,
    model: models.map(({ name }) => name),
    source: sources.map(({ name }) => name),
    destination: syncs.map(({ destination }) => destination),
    path: [...syncs, ...models].map(({ path }) => path),
    result: [],
  }
  return [...new Set(names[method])]
}

function unmatched(term: Term, project: Selectable): Problem {
  const noun = {
    name: 'names',
    tag: 'tags',
    model: 'models',
    source: 'sources',
    destination: 'destinations',
    path: 'paths',
    result: 'results',
  }
  const help = suggestion(term.pattern, namesFor(term.method, project), noun[term.method])
  return { code: 'A1180', message: `"${term.written}" matches nothing`, ...(help === undefined ? {} : { help }) }
}

function nothing(select: readonly string[], exclude: readonly string[], project: Selectable): ActivateError {
  const terms = split(select)
  const upstream = terms.find(term => [...project.models, ...project.sources].some(({ name }) => name === term))
  const help =
    upstream !== undefined
      ? `"${upstream}" is not a sync; "${upstream}+" selects the syncs that depend on it`
      : exclude.length > 0
        ? 'everything is excluded'
        : `syncs: ${project.syncs.map(({ name }) => name).join(', ') || 'none'}`
  const chosen = [...terms.map(term => `--select ${term}`), ...split(exclude).map(term => `--exclude ${term}`)].join(
    ' ',
  )
  return new ActivateError('invalid', { code: 'A1180', message: `${chosen} selects no sync`, help })
}
