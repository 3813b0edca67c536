/** What is wrong with identity and policies beyond their form: names that lead nowhere, draws that are not independent. */
import { unknown } from './checks.ts'
import { isCommunication } from './communication.ts'
import type { YamlDocument } from './document.ts'
import type { ModelFile } from './model-file.ts'
import type { Holdout, Identity, Policies } from './policies.ts'
import type { Problem } from './problem.ts'
import type { Project, Sync } from './project.ts'
import type { SyncFile } from './sync-file.ts'

interface MainFile {
  readonly document?: YamlDocument
  readonly project?: Pick<Project, 'identity' | 'policies'>
}

export function checkPolicies(
  main: MainFile,
  models: readonly ModelFile[],
  files: readonly SyncFile[],
): readonly Problem[] {
  const names = models.map(({ name }) => name)
  const syncs = files.flatMap(({ sync }) => sync ?? [])
  return [
    ...(main.document === undefined ? [] : checkModels(main.document, names)),
    ...files.flatMap(({ document }) =>
      document === undefined ? [] : unknown(document, ['qa_audience'], 'A1111', 'model', names),
    ),
    ...(main.project === undefined ? [] : checkWhole(main.project, syncs)),
  ]
}

function checkModels(document: YamlDocument, names: readonly string[]): readonly Problem[] {
  const count = (path: readonly string[]) => {
    const list = document.valueAt(path)
    return Array.isArray(list) ? list.length : 0
  }
  const indexes = (path: readonly string[]) => Array.from({ length: count(path) }, (_, index) => [...path, index])
  const paths = [
    ['policies', 'consent', 'model'],
    ...indexes(['identity', 'links']),
    ...indexes(['policies', 'suppression']).map(path => [...path, 'model']),
  ]
  return paths.flatMap(path => unknown(document, path, 'A1111', 'model', names))
}

function checkWhole(
  { identity, policies }: Pick<Project, 'identity' | 'policies'>,
  syncs: readonly Sync[],
): readonly Problem[] {
  const holdouts = [...policies.holdouts, ...syncs.flatMap(({ holdout }) => holdout ?? [])]
  return [
    ...checkIdentifiers(identity),
    ...checkSuppression(identity, policies),
    ...twice('cap', policies.caps),
    ...twice('holdout', holdouts),
    ...checkDraws(holdouts),
    ...checkQuietHours(policies),
    ...syncs.flatMap(sync => checkCommunication(sync, policies)),
  ]
}

function checkIdentifiers(identity: Identity | undefined): readonly Problem[] {
  if (identity === undefined) return []
  const plain = identity.identifiers.filter(({ hashOf }) => hashOf === undefined).map(({ name }) => name)
  return identity.identifiers.flatMap(({ name, hashOf, place }): readonly Problem[] => {
    if (name === identity.key) {
      const message = `"${name}" is the key of ${identity.entity}, and cannot be an identifier beside it`
      return [{ code: 'A1133', message, place, help: 'remove it: the key is an identifier already' }]
    }
    if (hashOf === undefined || plain.includes(hashOf)) return []
    const help = plain.length === 0 ? 'declare the identifier that is hashed' : `it may be one of ${plain.join(', ')}`
    return [{ code: 'A1133', message: `"${name}" is the hash of "${hashOf}", which is not an identifier`, place, help }]
  })
}

function checkSuppression(identity: Identity | undefined, { suppression }: Policies): readonly Problem[] {
  const known = identity === undefined ? [] : [identity.key, ...identity.identifiers.map(({ name }) => name)]
  return suppression.flatMap(({ identifier, place }): readonly Problem[] => {
    if (identifier === undefined || known.includes(identifier)) return []
    const help = known.length === 0 ? 'declare it under identity.identifiers' : `identity knows ${known.join(', ')}`
    return [{ code: 'A1133', message: `there is no identifier "${identifier}"`, place, help }]
  })
}

function twice(noun: string, things: readonly Pick<Holdout, 'name' | 'place'>[]): readonly Problem[] {
  return things.flatMap(({ name, place }, index): readonly Problem[] => {
    if (!things.slice(0, index).some(earlier => earlier.name === name)) return []
    return [{ code: 'A1110', message: `there are two ${noun}s called "${name}"`, place, help: 'rename one' }]
  })
}

/** Two holdouts with one salt would withhold the same people, and the effect of neither could be told. */
function checkDraws(holdouts: readonly Holdout[]): readonly Problem[] {
  return holdouts.flatMap(({ name, salt, expires, place }, index): readonly Problem[] => {
    const earlier = holdouts.slice(0, index).find(other => other.salt === salt)
    const shared: Problem = {
      code: 'A1131',
      message: `the holdouts "${earlier?.name}" and "${name}" have the same salt, so that they withhold the same people`,
      place,
      help: 'give each a salt of its own',
    }
    const date = expires === undefined ? undefined : new Date(`${expires}T00:00:00Z`)
    const real = date === undefined || (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(expires ?? ''))
    return [
      ...(earlier === undefined ? [] : [shared]),
      ...(real
        ? []
        : [{ code: 'A1104', message: `"${expires}" is not a date`, place, help: 'the month has fewer days' }]),
    ]
  })
}

function checkQuietHours({ quietHours }: Policies): readonly Problem[] {
  if (quietHours === undefined || quietHours.from !== quietHours.to) return []
  const message = 'quiet hours begin and end at the same time'
  return [{ code: 'A1104', message, place: quietHours.place, help: 'write when they begin and when they end' }]
}

/** Without channel and purpose there is nothing that a person could have agreed to. */
function checkCommunication(sync: Sync, policies: Policies): readonly Problem[] {
  const place = sync.places?.mode ?? sync.place
  if (sync.sendWindow !== undefined && !isCommunication(sync)) {
    const message = 'send_window has no meaning for a sync that keeps records and does not speak to people'
    return [
      { code: 'A1132', message, place: sync.places?.send_window ?? place, help: 'remove it, or write "mode: trigger"' },
    ]
  }
  if (policies.consent === undefined || !isCommunication(sync)) return []
  const missing = (['channel', 'purpose'] as const).filter(key => sync[key] === undefined)
  if (missing.length === 0) return []
  const message = `a communication needs ${missing.join(' and ')}: consent is given by channel and purpose`
  return [{ code: 'A1132', message, place, help: 'add, for instance, channel: email and purpose: marketing' }]
}
