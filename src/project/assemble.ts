/** From the texts of a project's files to the project, or to everything that is wrong with them. Pure. */

import { checkPolicies } from './check-policies.ts'
import { checkRelationships, checkSourceNames, checkSync, checkUnique, sourceNames } from './checks.ts'
import { checkCredentials } from './credentials.ts'
import { readDocument, type YamlDocument } from './document.ts'
import { type ModelFile, readModel } from './model-file.ts'
import { checkOutcomes, type OutcomeFile, readOutcome } from './outcome-file.ts'
import { present } from './present.ts'
import type { Problem } from './problem.ts'
import type { Project, TemplatePartial } from './project.ts'
import { identityOf, ownershipOf, ownersOf, policiesOf, retentionOf } from './read-policies.ts'
import { readSchema } from './reading.ts'
import type { FileText } from './safety.ts'
import { projectSchema } from './schema/project-file.ts'
import { nameHelp, namePattern } from './schema/text.ts'
import { checkIsolation, checkTarget, destinationPaths, type Resolve, settingsOf } from './settings.ts'
import { checkSources, sourcesOf } from './sources.ts'
import { readSync, type SyncFile } from './sync-file.ts'

export interface ProjectFiles {
  /** `activate.yml`; undefined when it could not be read, which the caller reports. */
  readonly project: FileText | undefined
  readonly models: readonly FileText[]
  readonly partials: readonly FileText[]
  readonly syncs: readonly FileText[]
  readonly outcomes: readonly FileText[]
}

export interface Surroundings {
  readonly root: string
  readonly target: string
  readonly resolve: Resolve
}

export type Assembled =
  | { readonly project: Project; readonly problems: readonly [] }
  | { readonly project?: undefined; readonly problems: readonly Problem[] }

const keepsText = (path: readonly PropertyKey[]): boolean => path.includes('accepted_values')

export function assembleProject(files: ProjectFiles, surroundings: Surroundings): Assembled {
  const main = readProjectFile(files.project, surroundings)
  const models = files.models.map(file => readModel(baseName(file.path), file))
  const { timezone: zone = 'UTC', ownership = [] } = main.project ?? {}
  const around = { zone, ownersOf: (path: string) => ownersOf(ownership, path) }
  const syncs = files.syncs.map(file => readSync(baseName(file.path), file, around))
  const outcomes = files.outcomes.map(file => readOutcome(baseName(file.path), file))
  const partials = files.partials.map(partialOf)
  const problems = [
    ...main.problems,
    ...[...models, ...syncs, ...outcomes].flatMap(file => file.problems),
    ...checkNames(models, syncs, outcomes, partials),
    ...checkReferences(main.document, models, syncs, surroundings.target),
    ...checkPolicies(main, models, syncs),
    ...checkOutcomes(outcomes, {
      models,
      syncs: syncs.map(({ name }) => name),
      holdouts: main.project?.policies.holdouts.map(({ name }) => name),
    }),
  ]
  if (main.project === undefined || problems.length > 0) return { problems: inOrder(problems) }
  return {
    project: {
      ...main.project,
      models: models.flatMap(({ model }) => model ?? []),
      partials,
      syncs: syncs.flatMap(({ sync }) => sync ?? []),
      outcomes: outcomes.flatMap(({ outcome }) => outcome ?? []),
    },
    problems: [],
  }
}

interface MainFile {
  readonly document?: YamlDocument
  readonly project?: Omit<Project, 'models' | 'partials' | 'syncs' | 'outcomes'>
  readonly problems: readonly Problem[]
}

function readProjectFile(file: FileText | undefined, { root, target, resolve }: Surroundings): MainFile {
  if (file === undefined) return { problems: [] }
  const read = readDocument(file, { keepsText })
  if (read.document === undefined) return { problems: read.problems }
  const { document } = read
  // First of all, because from then on no problem shows a line with a credential in it.
  const credentials = checkCredentials(document)
  const reading = readSchema(projectSchema, document)
  const problems = [
    ...read.problems.map(problem => remask(problem, document)),
    ...credentials,
    ...reading.problems,
    ...checkTarget(document, target),
    ...checkSources(document),
    ...checkSourceNames(document),
  ]
  if (reading.value === undefined || problems.length > 0) return { document, problems }
  const corrected = reading.document
  const isolation = checkIsolation(corrected, resolve)
  if (isolation.length > 0) return { document, problems: isolation }
  const { name, timezone } = reading.value
  const settings = settingsOf(reading.value, corrected, target, resolve)
  return {
    document,
    project: {
      name,
      root,
      timezone,
      target,
      ...settings,
      ...present({ identity: identityOf(reading.value, corrected) }),
      policies: policiesOf(reading.value, corrected, resolve),
      ownership: ownershipOf(reading.value),
      retention: retentionOf(reading.value),
      sources: sourcesOf(reading.value, document, resolve),
    },
    problems: [],
  }
}

/** A problem that was placed before credentials were known, with the line as it is shown now. */
function remask(problem: Problem, document: YamlDocument): Problem {
  if (problem.place === undefined) return problem
  return { ...problem, place: { ...problem.place, source: document.lineAt(problem.place.line) } }
}

function baseName(path: string): string {
  return (path.split('/').at(-1) ?? path).replace(/\.[^.]*$/, '')
}

function partialOf(file: FileText): TemplatePartial {
  return {
    name: file.path.replace(/^models\/_partials\//, '').replace(/\.[^./]*$/, ''),
    path: file.path,
    text: file.text,
  }
}

function checkNames(
  models: readonly ModelFile[],
  syncs: readonly SyncFile[],
  outcomes: readonly OutcomeFile[],
  partials: readonly TemplatePartial[],
): Problem[] {
  const unusable = [...models, ...syncs, ...outcomes]
    .filter(({ name }) => !namePattern.test(name))
    .map(({ name, path }) => ({
      code: 'A1124',
      message: `"${name}" cannot be used as a name`,
      place: { file: path, line: 1, column: 1 },
      help: `rename the file: ${nameHelp}`,
    }))
  return [
    ...unusable,
    ...checkUnique('model', models),
    ...checkUnique('sync', syncs),
    ...checkUnique('outcome', outcomes),
    ...checkUnique('partial', partials),
  ]
}

function checkReferences(
  main: YamlDocument | undefined,
  models: readonly ModelFile[],
  syncs: readonly SyncFile[],
  target: string,
): Problem[] {
  const destinations = main === undefined ? undefined : [...destinationPaths(main, target).keys()]
  const relations = [...models.map(({ name }) => name), ...sourceNames(main)]
  return [
    ...syncs.flatMap(sync => checkSync(sync, models, destinations)),
    ...(main === undefined
      ? []
      : sourceNames(main).flatMap(name => checkRelationships(main, ['sources', name, 'columns'], relations))),
    ...(main === undefined
      ? []
      : models.flatMap(({ document }) =>
          document === undefined ? [] : checkRelationships(document, ['columns'], relations),
        )),
  ]
}

const rank = (file: string): string => (file === 'activate.yml' ? '' : file)

/** The project file first, then file by file from top to bottom. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  const startsAt = ({ place }: Problem) => (place === undefined ? '' : `${place.file}:${place.line}:${place.column}`)
  // What could not be read has no value: one problem is enough.
  const unread = new Set(problems.filter(({ code }) => /^A101[0-2]$/.test(code)).map(startsAt))
  const distinct = problems.filter(problem => problem.code !== 'A1103' || !unread.has(startsAt(problem)))
  return distinct.toSorted((left, right) => {
    const [a, b] = [left.place, right.place]
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1
    const files = rank(a.file) < rank(b.file) ? -1 : rank(a.file) > rank(b.file) ? 1 : 0
    return files || a.line - b.line || a.column - b.column
  })
}
