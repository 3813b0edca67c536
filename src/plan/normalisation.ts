/** How identifiers are tidied, as SQL: the steps of `project/normalisation.ts`, which the moment of sending follows in TypeScript. */
import { type Normalisation, type Step, stepsOf } from '../project/normalisation.ts'
import type { Dialect } from '../warehouse/dialect.ts'

/** A text expression tidied; NULL when nothing is left of it. */
export function normaliseSql(
  dialect: Dialect,
  expression: string,
  normalisation: Normalisation,
  region?: string,
): string {
  return `nullif(${followSql(dialect, expression, stepsOf(normalisation, region))}, '')`
}

function followSql(dialect: Dialect, expression: string, steps: readonly Step[]): string {
  return steps.reduce((text, step) => stepSql(dialect, text, step), expression)
}

function stepSql(dialect: Dialect, text: string, step: Step): string {
  switch (step.kind) {
    case 'trim':
      return dialect.trim(text)
    case 'lower':
      return dialect.lower(text)
    case 'replace':
      return dialect.replaceMatches(text, step.pattern, step.by)
    case 'when':
      return `case when ${dialect.matches(text, step.pattern)} then ${followSql(dialect, text, step.steps)} else ${text} end`
  }
}
