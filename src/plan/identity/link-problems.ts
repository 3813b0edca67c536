/** What a link model can be wrong about, each with the place where the project names it. */
import type { Problem } from '../../project/problem.ts'
import { suggest } from '../../project/suggest.ts'
import type { Column } from '../../warehouse/dialect.ts'
import type { Fragment } from '../../warehouse/sql.ts'
import type { Row } from '../../warehouse/warehouse.ts'
import { type Kind, type LinkModel, requiredColumns, sampleConfidences, sampleUnknownTypes } from './links.ts'

/** Columns that are missing, or of a type that cannot be read. */
export function columnProblems({ model, columns, place }: LinkModel): readonly Problem[] {
  const names = columns.map(({ name }) => name)
  const missing = requiredColumns
    .filter(name => !names.includes(name))
    .map((name): Problem => {
      const nearest = suggest(name, names)
      const help = nearest === undefined ? `it returns ${names.join(', ')}` : `did you mean "${nearest}"?`
      return { code: 'A4040', message: `the link model "${model}" returns no column "${name}"`, place, help }
    })
  const unfit = columns.flatMap((column): readonly Problem[] => {
    const fitting = fittingTypes[column.name]
    if (fitting === undefined || fitting.types.includes(column.type)) return []
    const message = `the link model "${model}" returns "${column.name}" as ${column.native}`
    return [{ code: 'A4040', message, place, help: fitting.help }]
  })
  return [...missing, ...unfit]
}

const fittingTypes: Readonly<Record<string, { readonly types: readonly Column['type'][]; readonly help: string }>> = {
  confidence: { types: ['integer', 'number'], help: 'cast it to a number between 0 and 1' },
  seen_at: { types: ['timestamp', 'date'], help: 'cast it to a timestamp' },
}

/** How many rows of a model name an unknown type or an impossible confidence: a row of `countLinks`. */
export async function rowProblems(
  model: LinkModel,
  index: number,
  counts: Row,
  relation: Fragment,
  kinds: readonly Kind[],
  read: (statement: Fragment) => Promise<readonly Row[]>,
): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  if (Number(counts.unknown) > 0) {
    const samples = await read(sampleUnknownTypes(relation, index))
    const names = kinds.map(({ name }) => name)
    const nearest = suggest(String(samples[0]?.sample), names)
    problems.push({
      code: 'A4041',
      message: `the link model "${model.model}" links types that identity does not know: ${shown(samples, named)}`,
      place: model.place,
      help: nearest === undefined ? `it knows ${names.join(', ')}` : `did you mean "${nearest}"?`,
    })
  }
  if (Number(counts.impossible) > 0) {
    const samples = await read(sampleConfidences(relation, index))
    problems.push({
      code: 'A4042',
      message: `the link model "${model.model}" has a confidence outside 0 to 1: ${shown(samples, String)}`,
      place: model.place,
      help: 'a confidence is a share, such as 0.8; leave it NULL when there is none',
    })
  }
  return problems
}

function named(type: Row[string] | undefined): string {
  return type === '' ? 'none' : `"${type}"`
}

function shown(samples: readonly Row[], name: (sample: Row[string] | undefined) => string): string {
  const rows = (count: number) => `${count} row${count === 1 ? '' : 's'}`
  return samples.map(({ sample, occurrences }) => `${name(sample)} (${rows(Number(occurrences))})`).join(', ')
}
