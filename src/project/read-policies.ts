/** Identity, policies and owners of a valid activate.yml, with what the file leaves out filled in. */
import type { z } from 'zod'
import type { YamlDocument } from './document.ts'
import { glob } from './glob.ts'
import type { Holdout, Identity, Ownership, Policies, SuppressionList, ZoneOf } from './policies.ts'
import { present } from './present.ts'
import type { Retention } from './project.ts'
import type { projectSchema } from './schema/project-file.ts'
import type { Resolve } from './settings.ts'

type ProjectFile = z.output<typeof projectSchema>
type Written = NonNullable<ProjectFile['policies']>

export function identityOf(file: ProjectFile, document: YamlDocument): Identity | undefined {
  const { identity } = file
  if (identity === undefined) return undefined
  return {
    entity: identity.entity,
    key: identity.key,
    identifiers: Object.entries(identity.identifiers).map(([name, { hash_of, ...shape }]) => ({
      ...present({ region: shape.region, hashOf: hash_of }),
      name,
      normalise: shape.normalise ?? (hash_of === undefined ? 'trim' : 'lower'),
      place: document.place(['identity', 'identifiers', name], 'key'),
    })),
    links: identity.links.map((model, index) => ({
      model,
      place: document.place(['identity', 'links', index], 'value'),
    })),
    maxCluster: identity.max_cluster,
    minConfidence: identity.min_confidence,
    place: document.place(['identity'], 'key'),
  }
}

export function policiesOf(file: ProjectFile, document: YamlDocument, resolve: Resolve): Policies {
  const { policies } = file
  if (policies === undefined) return { suppression: [], caps: [], holdouts: [] }
  const place = (...path: (string | number)[]) => document.place(['policies', ...path], 'key')
  const { consent, quiet_hours: quiet } = policies
  return present({
    consent: consent === undefined ? undefined : { ...consent, place: place('consent') },
    suppression: policies.suppression.map((list, index) => suppressionOf(list, resolve, place('suppression', index))),
    caps: policies.caps.map((cap, index) => ({ ...present(cap), place: place('caps', index) })),
    quietHours:
      quiet === undefined
        ? undefined
        : { ...quiet, timezone: zoneOfWritten(quiet.timezone, file.timezone), place: place('quiet_hours') },
    holdouts: policies.holdouts.map(({ applies_to, ...holdout }, index): Holdout => {
      return { ...present(holdout), appliesTo: applies_to, place: place('holdouts', index) }
    }),
  })
}

function suppressionOf(
  { model, csv, applies_to, ...list }: Written['suppression'][number],
  resolve: Resolve,
  place: SuppressionList['place'],
): SuppressionList {
  // The schema lets exactly one of the two through.
  const from = model === undefined ? { csv: resolve(csv ?? '') } : { model }
  return { ...present(list), from, appliesTo: applies_to, place }
}

/** The zone of those for whom the file names none is that of the project. */
export function zoneOfWritten(
  written: string | { readonly column: string; readonly default?: string | undefined } | undefined,
  zone: string,
): ZoneOf {
  if (typeof written === 'object') return { column: written.column, default: written.default ?? zone }
  return { default: written ?? zone }
}

const day = 86_400_000

export function retentionOf({ retention }: ProjectFile): Retention {
  const { dead_letters = 30 * day, erasures = 400 * day, ...others } = retention ?? {}
  return { ...present(others), deadLetters: dead_letters, erasures }
}

export function ownershipOf(file: ProjectFile): readonly Ownership[] {
  return Object.entries(file.owners ?? {}).map(([path, owners]) => ({ path, owners }))
}

/** Those of the last path that matches, as in a CODEOWNERS file. */
export function ownersOf(ownership: readonly Ownership[], path: string): readonly string[] {
  return ownership.findLast(entry => glob(entry.path)(path))?.owners ?? []
}
