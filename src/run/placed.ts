/** The warehouse knows nothing of the project's files: what it refuses gets its place and help here. */
import { ActivateError, type Place, type Problem } from '../project/problem.ts'
import type { Model, Source } from '../project/project.ts'

/** Does the work for a model or a source; problems that have no place yet are given that of its declaration. */
export async function placed<Result>(subject: Model | Source, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ActivateError)) throw error
    throw new ActivateError(
      error.exit,
      error.problems.map(problem => located(problem, subject)),
      { cause: error },
    )
  }
}

const pointer = / \(LINE \d+: (?:\.{3})?(.*?)(?:\.{3})?\)$/

function located(problem: Problem, subject: Model | Source): Problem {
  if (problem.place !== undefined) return problem
  const { message } = problem
  // What a source becomes is the tool's own SQL, which tells its reader nothing.
  const said =
    'from' in subject
      ? `source "${subject.name}": ${message.replace(pointer, '')}`
      : `model "${subject.name}": ${message}`
  return { help: helpWith(subject), ...problem, message: said, place: placeOf(subject, message) }
}

function helpWith(subject: Model | Source): string {
  if ('template' in subject) return `\`activate compile ${subject.name}\` prints the SQL that the warehouse was given`
  const { from } = subject
  if ('table' in from) return `it reads the table ${from.table.join('.')}`
  return `look at ${'csv' in from ? from.csv : from.parquet} and at the columns that are declared for it`
}

/** The line of a model at which the warehouse points, where exactly one line of the file can have become what it quotes. */
function placeOf(subject: Model | Source, message: string): Place {
  const quoted = pointer.exec(message)?.[1]?.trim() ?? ''
  if (!('template' in subject) || quoted === '') return subject.place
  const lines = subject.template.split('\n')
  const [found, another] = lines.flatMap((line, index) => (becomes(line.trim(), quoted) ? [index] : []))
  if (found === undefined || another !== undefined) return subject.place
  const source = lines[found] ?? ''
  const column = source.length - source.trimStart().length + 1
  return { file: subject.path, line: subject.templateLine + found, column, source, length: source.trim().length }
}

/** Whether a line of a template may be (part of) what is quoted, or the other way round, once its expressions are filled in. */
function becomes(line: string, quoted: string): boolean {
  if (line.length < shortest) return false
  if (line.includes(quoted)) return true
  const literals = line.split(/\{\{.*?\}\}/).map(text => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(literals.join('.*')).test(quoted)
}

/** A line such as `)` says nothing. */
const shortest = 4
