/** An outcome's file as an `Outcome`, and what is wrong with outcomes as a whole. */
import type { z } from 'zod'
import { unknown } from './checks.ts'
import { readDocument, type YamlDocument } from './document.ts'
import type { ModelFile } from './model-file.ts'
import type { Outcome } from './outcomes.ts'
import { present } from './present.ts'
import type { Problem } from './problem.ts'
import { readSchema } from './reading.ts'
import type { FileText } from './safety.ts'
import { outcomeSchema } from './schema/outcome-file.ts'
import { suggestion } from './suggest.ts'

export interface OutcomeFile {
  readonly name: string
  readonly path: string
  readonly document?: YamlDocument
  /** Absent when something is wrong with the file. */
  readonly outcome?: Outcome
  readonly problems: readonly Problem[]
}

export function readOutcome(name: string, file: FileText): OutcomeFile {
  const { path } = file
  const read = readDocument(file)
  if (read.document === undefined) return { name, path, problems: read.problems }
  const { document } = read
  const reading = readSchema(outcomeSchema, document)
  const problems = [...read.problems, ...reading.problems]
  if (reading.value === undefined || problems.length > 0) return { name, path, document, problems }
  return { name, path, document, outcome: outcomeOf(name, path, reading.value, document), problems }
}

function outcomeOf(
  name: string,
  path: string,
  written: z.output<typeof outcomeSchema>,
  document: YamlDocument,
): Outcome {
  const { covariate, planned_units: plannedUnits, least_lift: leastLift, ...rest } = written
  return {
    ...present({ ...rest, covariate: covariate?.before, leastLift }),
    ...{ name, path, plannedUnits },
    place: { file: path, line: 1, column: 1 },
    places: document.placesBelow([], 'value'),
  }
}

interface Known {
  readonly models: readonly ModelFile[]
  readonly syncs: readonly string[]
  /** Undefined when activate.yml could not be read. */
  readonly holdouts: readonly string[] | undefined
}

/** A1111, A1196 and A1197. */
export function checkOutcomes(files: readonly OutcomeFile[], known: Known): readonly Problem[] {
  return [...files.flatMap(file => checkNames(file, known)), ...checkPrimaries(files), ...files.flatMap(checkMeasure)]
}

function checkNames({ document }: OutcomeFile, { models, syncs, holdouts }: Known): readonly Problem[] {
  if (document === undefined) return []
  const modelNames = models.map(({ name }) => name)
  return [
    ...unknown(document, ['model'], 'A1111', 'model', modelNames),
    ...unknownKeys(document, 'syncs', 'sync', syncs),
    ...(holdouts === undefined ? [] : unknownKeys(document, 'holdouts', 'holdout', holdouts)),
  ]
}

function unknownKeys(document: YamlDocument, key: string, noun: string, known: readonly string[]): readonly Problem[] {
  return keysOf(document, key).flatMap((name): readonly Problem[] => {
    if (known.includes(name)) return []
    const place = document.place([key, name], 'key')
    const help = suggestion(name, known, `${noun}s`) ?? `the project has no ${noun}s`
    return [{ code: 'A1197', message: `there is no ${noun} "${name}"`, place, help }]
  })
}

/** What a sync is judged by must be one thing, chosen before the data: of two, the better-looking one would be shown. */
function checkPrimaries(files: readonly OutcomeFile[]): readonly Problem[] {
  const first = new Map<string, string>()
  return files.flatMap(({ name, outcome, document }) =>
    (['syncs', 'holdouts'] as const).flatMap(kind =>
      Object.entries(outcome?.[kind] ?? {}).flatMap(([of, role]): readonly Problem[] => {
        if (role !== 'primary' || document === undefined) return []
        const earlier = first.get(`${kind} ${of}`)
        if (earlier === undefined) {
          first.set(`${kind} ${of}`, name)
          return []
        }
        const message = `"${of}" has two primary outcomes, "${earlier}" and "${name}"`
        const place = document.place([kind, of], 'value')
        return [{ code: 'A1196', message, place, help: 'make one of them a guardrail or secondary' }]
      }),
    ),
  )
}

/** `cap` limits a sum, which there is only with a value; a quotient has two sums. */
function checkMeasure({ outcome, document }: OutcomeFile): readonly Problem[] {
  if (outcome === undefined || document === undefined) return []
  const { cap, value, window, per, covariate } = outcome
  const refused = (key: string, message: string, help: string): Problem => ({
    ...{ code: 'A1198', message, help },
    place: document.place([key], 'key'),
  })
  return [
    ...(per !== undefined && value === undefined
      ? [refused('per', '"per" has no meaning without "value"', 'name the column that is summed and then divided')]
      : []),
    ...(per !== undefined && cap !== undefined
      ? [
          refused(
            'cap',
            '"cap" limits what a person has in total, and with "per" that grows with what it is divided by',
            'limit each row in the model instead, such as least(amount, 500)',
          ),
        ]
      : []),
    ...(per !== undefined && covariate !== undefined
      ? [refused('covariate', '"covariate" cannot be used with "per"', 'remove one of the two')]
      : []),
    ...(cap !== undefined && value === undefined
      ? [
          {
            code: 'A1198',
            message: '"cap" has no meaning without "value"',
            place: document.place(['cap'], 'key'),
            help: 'name the column that is summed, or remove the cap',
          },
        ]
      : []),
    ...(window === 0
      ? [
          {
            code: 'A1198',
            message: 'a window of 0 lets nothing count',
            place: document.place(['window'], 'value'),
            help: 'write a time such as 30d',
          },
        ]
      : []),
  ]
}

function keysOf(document: YamlDocument, key: string): readonly string[] {
  const value = document.valueAt([key])
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
}
