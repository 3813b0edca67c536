/**
 * What no file can be wrong about alone: names that are used twice, and names that lead nowhere. The checks read the
 * files as written, so that a mistake elsewhere in a file does not hide these.
 */
import type { Path, YamlDocument } from './document.ts'
import type { ModelFile } from './model-file.ts'
import type { Place, Problem } from './problem.ts'
import { suggestion } from './suggest.ts'
import type { SyncFile } from './sync-file.ts'

interface Named {
  readonly name: string
  readonly path: string
}

const startOf = (path: string): Place => ({ file: path, line: 1, column: 1 })

/** A1110 at every later file of the same name. Warehouses fold case, so `Users` and `users` are the same. */
export function checkUnique(noun: string, files: readonly Named[]): Problem[] {
  const first = new Map<string, Named>()
  return files.flatMap(file => {
    const earlier = first.get(file.name.toLowerCase())
    if (earlier === undefined) {
      first.set(file.name.toLowerCase(), file)
      return []
    }
    const message = `there are two ${noun}s called "${file.name}"`
    return [
      {
        code: 'A1110',
        message,
        place: startOf(file.path),
        help: `the other is ${earlier.path}; rename one of the files`,
      },
    ]
  })
}

/** A1110 for sources whose names differ by case only; equal ones are equal keys, which YAML reading reports. */
export function checkSourceNames(document: YamlDocument): Problem[] {
  const names = sourceNames(document)
  return names.flatMap((name, index) => {
    const earlier = names.slice(0, index).find(other => other.toLowerCase() === name.toLowerCase())
    if (earlier === undefined) return []
    const place = document.place(['sources', name], 'key')
    return [
      {
        code: 'A1110',
        message: `the sources "${earlier}" and "${name}" differ by case only`,
        place,
        help: 'rename one',
      },
    ]
  })
}

export function sourceNames(document: YamlDocument | undefined): string[] {
  const sources = document?.valueAt(['sources'])
  return typeof sources === 'object' && sources !== null && !Array.isArray(sources) ? Object.keys(sources) : []
}

/** A problem when the text at `path` is none of the known names; nothing when there is no text. */
export function unknown(
  document: YamlDocument,
  path: Path,
  code: string,
  noun: string,
  known: readonly string[],
  nouns = `${noun}s`,
): Problem[] {
  const name = document.valueAt(path)
  if (typeof name !== 'string' || name === '' || known.includes(name)) return []
  const help = suggestion(name, known, nouns) ?? `the project has no ${nouns}`
  return [{ code, message: `there is no ${noun} "${name}"`, place: document.place(path, 'value'), help }]
}

/** A1111, A1112 and A1113 of a sync. `destinations` is undefined when activate.yml could not be read. */
export function checkSync(
  file: SyncFile,
  models: readonly ModelFile[],
  destinations: readonly string[] | undefined,
): Problem[] {
  const { document } = file
  if (document === undefined) return []
  const used = models.find(model => model.name === document.valueAt(['model']))
  const keyless = used?.model !== undefined && used.model.key.length === 0 ? used : undefined
  return [
    ...unknown(
      document,
      ['model'],
      'A1111',
      'model',
      models.map(model => model.name),
    ),
    ...(destinations === undefined ? [] : unknown(document, ['destination'], 'A1112', 'destination', destinations)),
    ...(keyless === undefined
      ? []
      : [
          {
            code: 'A1113',
            message: `the model "${keyless.name}" has no key`,
            place: document.place(['model'], 'value'),
            help: `name its key column in the front matter of ${keyless.path}: /*--- key: … ---*/`,
          },
        ]),
  ]
}

/** A1111 for `relationships` tests that point at nothing. */
export function checkRelationships(document: YamlDocument, columns: Path, known: readonly string[]): Problem[] {
  const declared = document.valueAt(columns)
  if (typeof declared !== 'object' || declared === null || Array.isArray(declared)) return []
  return Object.keys(declared).flatMap(column => {
    const tests = document.valueAt([...columns, column, 'tests'])
    if (!Array.isArray(tests)) return []
    return tests.flatMap((_, index) =>
      unknown(
        document,
        [...columns, column, 'tests', index, 'relationships', 'to'],
        'A1111',
        'model or source',
        known,
        'models and sources',
      ),
    )
  })
}
