/** The models of planning's tests, which are written in the SQL that DuckDB and PostgreSQL share, as BigQuery has to be told them. */
import type { Statement } from '../../src/warehouse/sql.ts'
import type { Warehouse } from '../../src/warehouse/warehouse.ts'
import { splitAt } from './text.ts'

const types: Readonly<Record<string, string>> = {
  varchar: 'string',
  text: 'string',
  double: 'float64',
  'double precision': 'float64',
  bigint: 'int64',
  integer: 'int64',
  smallint: 'int64',
  timestamptz: 'timestamp',
}
const typeNames = Object.keys(types).sort((a, b) => b.length - a.length)
const casts = new RegExp(
  `('[^']*'|\\b[\\w.]+)::(${typeNames.join('|')}|smallint|decimal\\(\\d+,\\d+\\)|date|timestamp|boolean)`,
  'gi',
)
const castTypes = new RegExp(`\\bas (${typeNames.join('|')})\\)`, 'gi')

/** A warehouse that takes such SQL. */
export function speaking(warehouse: Warehouse): Warehouse {
  const told = (statement: Statement) => ({ ...statement, sql: inGoogleSql(statement.sql) })
  return {
    dialect: warehouse.dialect,
    state: warehouse.state,
    ...(warehouse.metadata === undefined ? {} : { metadata: warehouse.metadata }),
    ...(warehouse.bill === undefined ? {} : { bill: warehouse.bill }),
    query: statement => warehouse.query(told(statement)),
    stream: (statement, options) => warehouse.stream(told(statement), options),
    execute: statement => warehouse.execute(told(statement)),
    transaction: (statements, beforeCommit) => warehouse.transaction(statements.map(told), beforeCommit),
    describe: select => warehouse.describe(inGoogleSql(select)),
    tables: (schema, prefix) => warehouse.tables(schema, prefix),
    columns: schema => warehouse.columns(schema),
    load: (relation, columns, rows) => warehouse.load(relation, columns, rows),
    close: () => warehouse.close(),
  }
}

/** Texts stay as they are; what stands between them is translated. */
export function inGoogleSql(sql: string): string {
  const named = sql
    // A quote within a text is written twice.
    .replace(/'(?:\\.|''|[^'\\])*'/g, text => `'${text.slice(1, -1).replaceAll("''", "\\'")}'`)
    .replace(/('(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)|"([^"]*)"/g, (_, kept?: string, name = '') => kept ?? `\`${name}\``)
    .replace(
      /('(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)|\bactivate\.(\w+)/g,
      (_, kept?: string, name = '') => kept ?? `\`activate.${name}\``,
    )
    .replace(casts, (_, value: string, type: string) => `cast(${value} as ${types[type.toLowerCase()] ?? type})`)
    .replace(castTypes, (_, type: string) => `as ${types[type.toLowerCase()]})`)
    .replace(/\bnow\(\)/g, 'current_timestamp()')
    .replace(/\btimestamptz '/g, "timestamp '")
    .replace(/\$(\d+)\b/g, '@p$1')
    .replace(/'(\d{4}-\d\d-\d\d \d\d:\d\d)'/g, "'$1:00'")
    .replace(/( as \w+) where (false|true)/g, '$1 from (select 1) where $2')
    .replace(
      /\bgenerate_series\(([^()]*), ([^()]*)\) (\w+)\((\w+)\)/g,
      '(select $4 from unnest(generate_array($1, $2)) $4) $3',
    )
  return withoutValues(named)
}

/** `(values (1, 2)) t(a, b)` as a union of selects. */
function withoutValues(sql: string): string {
  const start = /\(\s*values\b/i.exec(sql)
  if (start === null) return sql
  const end = closing(sql, start.index)
  const [alias = '', name = '', columns = ''] = /^\s*(?:as\s+)?(\w+)\s*\(([^)]*)\)/i.exec(sql.slice(end + 1)) ?? []
  const names = columns.split(',').map(column => column.trim())
  const rows = splitAt(sql.slice(start.index + start[0].length, end), ',').map(row => {
    const values = splitAt(row.slice(1, -1), ',')
    return `select ${values.map((value, index) => `${value} as \`${names[index]}\``).join(', ')}`
  })
  const rest = withoutValues(sql.slice(end + 1 + alias.length))
  return `${sql.slice(0, start.index)}(${rows.join(' union all ')}) ${name}${rest}`
}

function closing(sql: string, open: number): number {
  let depth = 0
  for (const match of sql.slice(open).matchAll(/'(?:\\.|[^'\\])*'|[()]/g)) {
    if (match[0] === '(') depth += 1
    if (match[0] === ')') depth -= 1
    if (depth === 0) return open + match.index
  }
  throw new Error('a parenthesis that is not closed')
}
