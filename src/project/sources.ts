/** The sources of activate.yml. */
import type { z } from 'zod'
import type { YamlDocument } from './document.ts'
import { present } from './present.ts'
import type { Problem } from './problem.ts'
import type { Source } from './project.ts'
import { columnsOf, relationTestsOf } from './schema/columns.ts'
import type { projectSchema } from './schema/project-file.ts'
import type { Resolve } from './settings.ts'

const kinds = ['csv', 'parquet', 'table'] as const

/** The parts of `shop.main.customers`; a part in double quotes may hold dots. Undefined when malformed. */
export function relationParts(text: string): string[] | undefined {
  const parts: string[] = []
  const part = /(?:"((?:[^"]|"")+)"|([^".\s]+))(\.|$)/y
  while (part.lastIndex < text.length) {
    const match = part.exec(text)
    if (match === null) return undefined
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (match[3] === '') return parts
  }
  return undefined
}

/** A1125 for a source without exactly one place to come from, A1104 for a malformed table. */
export function checkSources(document: YamlDocument): Problem[] {
  const sources = document.valueAt(['sources'])
  if (typeof sources !== 'object' || sources === null || Array.isArray(sources)) return []
  return Object.entries(sources).flatMap(([name, written]: [string, unknown]): Problem[] => {
    if (typeof written !== 'object' || written === null) return []
    const given = kinds.filter(kind => Object.hasOwn(written, kind))
    const table = document.valueAt(['sources', name, 'table'])
    if (given.length !== 1) {
      const what = given.length === 0 ? 'names no data' : `names both ${given.join(' and ')}`
      const place = document.place(['sources', name], 'key')
      return [
        {
          code: 'A1125',
          message: `source "${name}" ${what}`,
          place,
          help: 'give exactly one of csv, parquet and table',
        },
      ]
    }
    if (typeof table !== 'string' || table === '' || relationParts(table) !== undefined) return []
    const place = document.place(['sources', name, 'table'], 'value')
    return [
      {
        code: 'A1104',
        message: `"${table}" is not a table`,
        place,
        help: 'write its parts with dots between, such as shop.main.customers',
      },
    ]
  })
}

type WrittenSource = NonNullable<z.output<typeof projectSchema>['sources']>[string]

function fromOf({ csv, parquet, table }: WrittenSource, resolve: Resolve): Source['from'] {
  if (csv !== undefined) return { csv: resolve(csv) }
  return parquet === undefined ? { table: relationParts(table ?? '') ?? [] } : { parquet: resolve(parquet) }
}

export function sourcesOf(file: z.output<typeof projectSchema>, document: YamlDocument, resolve: Resolve): Source[] {
  return Object.entries(file.sources ?? {}).map(([name, written]) => {
    const { description, freshness } = written
    return present({
      name,
      from: fromOf(written, resolve),
      description,
      freshness: freshness === undefined ? undefined : { column: freshness.column, maxAge: freshness.max_age },
      columns: columnsOf(written.columns, column => document.place(['sources', name, 'columns', column], 'key')),
      tests: relationTestsOf(written.tests),
      onViolation: written.on_violation,
      tags: written.tags ?? [],
      place: document.place(['sources', name], 'key'),
    })
  })
}
