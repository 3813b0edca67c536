/** Several statements as one script: a transaction, for BigQuery, is what one job does between two words. */
import type { Statement } from './sql.ts'

/** What a `@p1` is no parameter in: texts, names and comments. */
const token = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|\/\*[\s\S]*?\*\/|@p(\d+)\b/g

/**
 * All or nothing: a statement that fails ends the script, and BigQuery takes the open transaction back
 * (cloud.google.com/bigquery/docs/transactions, read 2026-08).
 */
export function transactionScript(statements: readonly Statement[]): Statement {
  const params = statements.flatMap(statement => statement.params)
  let before = 0
  const bodies = statements.map(({ sql, params: own }) => {
    const from = before
    before += own.length
    return `${sql.replace(token, (whole, index?: string) => (index === undefined ? whole : `@p${Number(index) + from}`))};\n`
  })
  return { sql: `begin transaction;\n${bodies.join('')}commit transaction;`, params }
}
