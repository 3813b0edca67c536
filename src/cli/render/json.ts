/** The documents of `--json`: one per command, versioned by `schema`, two spaces, a line break at the end. */
import type { Problem } from '../../project/problem.ts'

/** JSON that is also safe to look at: what JSON would let through of controls (C1, DEL, those that turn the direction) is escaped. */
export function toJson(document: unknown): string {
  const text = JSON.stringify(document, null, 2)
  return `${text.replaceAll(/[\u007f-\u009f\p{Bidi_Control}]/gu, escaped)}\n`
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

export function errorDocument(problems: readonly Problem[]): unknown {
  return { schema: 'activate.error/1', errors: problems.map(errorEntry) }
}

/** One problem as scripts see it; what is unknown is null. */
export function errorEntry(problem: Problem): Record<string, unknown> {
  return {
    code: problem.code,
    message: problem.message,
    file: problem.place?.file ?? null,
    line: problem.place?.line ?? null,
    column: problem.place?.column ?? null,
    help: problem.help ?? null,
  }
}
