/** Several statements as one script: a transaction, for BigQuery, is what one job does between two words. */
import type { Statement } from './sql.ts'

/** What a `@p1` is no parameter in: texts, names and comments. */
const token = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|\/\*[\s\S]*?\*\/|@p(\d+)\b/g

/**
 * All or nothing: a statement that fails ends the script, and BigQuery takes the open transaction back
 * (cloud.google.com/bigquery/docs/transactions, read 2026-08). No table that stays may be dropped within one, so drops come after it.
 */
export function transactionScript(statements: readonly Statement[]): Statement {
  const params = statements.flatMap(statement => statement.params)
  let before = 0
  const bodies = statements.map(({ sql, params: own }) => {
    const from = before
    before += own.length
    const body = `${sql.replace(token, (whole, index?: string) => (index === undefined ? whole : `@p${Number(index) + from}`))};\n`
    return { body, isDrop: /^\s*drop\b/i.test(sql) }
  })
  const textOf = (drops: boolean) => bodies.flatMap(({ body, isDrop }) => (isDrop === drops ? [body] : [])).join('')
  return { sql: `begin transaction;\n${textOf(false)}commit transaction;\n${textOf(true)}`, params }
}
