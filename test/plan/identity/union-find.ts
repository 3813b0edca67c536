/** What identity resolution has to find, said plainly: union-find over the links, in memory. */
import { createHash } from 'node:crypto'
import { normalise } from '../../../src/project/normalisation.ts'
import type { Identity } from '../../../src/project/policies.ts'
import type { Link } from './identity-nights.ts'

export interface Expected {
  /** The keys of each person of several keys, sorted, the smallest first. */
  readonly clusters: readonly (readonly string[])[]
  /** `type value → keys of the person`, sorted. */
  readonly identifiers: readonly string[]
}

export function expectedPeople(links: readonly Link[], identity: Identity): Expected {
  const pairs = links.flatMap(link => pairOf(link, identity))
  const nodes = canonical(pairs.flat(), identity)
  const linked = pairs.map(pair => pair.map(node => nodes.get(node) ?? node)).filter(([a, b]) => a !== b)
  const isKey = (node: string) => node.startsWith(`${identity.key} `)
  const keysOf = (node: string, among: readonly (readonly string[])[]) =>
    new Set(among.filter(pair => pair.includes(node)).flatMap(pair => pair.filter(isKey)))
  const isShared = (node: string) => !isKey(node) && keysOf(node, linked).size > identity.maxCluster
  const live = linked.filter(pair => !pair.some(isShared))

  const people = components(live).flatMap(component => {
    const keys = component.filter(isKey)
    if (keys.length <= identity.maxCluster) return [{ keys, identifiers: component.filter(node => !isKey(node)) }]
    return keys.map(key => ({
      keys: [key],
      identifiers: component.filter(node => !isKey(node) && keysOf(node, live).has(key)),
    }))
  })
  const named = people
    .map(({ keys, identifiers }) => ({ keys: keys.map(key => key.slice(identity.key.length + 1)).sort(), identifiers }))
    .filter(({ keys }) => keys.length > 0)
  return {
    clusters: named
      .map(({ keys }) => keys)
      .filter(keys => keys.length > 1)
      .sort(),
    identifiers: named
      .flatMap(({ keys, identifiers }) =>
        identifiers.flatMap(node => namesOf(node, identity).map(name => `${name} → ${keys.join()}`)),
      )
      .sort(),
  }
}

function pairOf([leftType, left, rightType, right]: Link, identity: Identity): readonly (readonly [string, string])[] {
  const ends = [tidied(leftType, left, identity), tidied(rightType, right, identity)]
  const [a, b] = ends
  return a === undefined || b === undefined ? [] : [[a, b]]
}

function tidied(type: string, value: string | null, { identifiers }: Identity): string | undefined {
  const { normalise: how, region } = identifiers.find(({ name }) => name === type) ?? {}
  if (value === null || value.trim() === '') return undefined
  const text = how === undefined ? value : normalise(value, how, region)
  return text === undefined ? undefined : `${type} ${text}`
}

/** A hash whose plain value occurs is that value. */
function canonical(nodes: readonly string[], identity: Identity): ReadonlyMap<string, string> {
  return new Map(
    nodes.flatMap(node => {
      const [, ...hashes] = namesOf(node, identity)
      return hashes.map(hash => [hash, node] as const)
    }),
  )
}

/** The node and its hashes. */
function namesOf(node: string, { identifiers }: Identity): readonly string[] {
  const space = node.indexOf(' ')
  const hashes = identifiers.filter(({ hashOf }) => hashOf === node.slice(0, space))
  const digest = createHash('sha256')
    .update(node.slice(space + 1))
    .digest('hex')
  return [node, ...hashes.map(({ name }) => `${name} ${digest}`)]
}

function components(pairs: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const parent = new Map<string, string>()
  const find = (node: string): string => {
    const above = parent.get(node) ?? node
    return above === node ? node : find(above)
  }
  for (const [a = '', b = ''] of pairs) parent.set(find(a), find(b))
  const groups = new Map<string, Set<string>>()
  for (const node of pairs.flat()) groups.set(find(node), (groups.get(find(node)) ?? new Set()).add(node))
  return [...groups.values()].map(group => [...group])
}
