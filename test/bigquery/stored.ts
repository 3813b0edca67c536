/**
 * A warehouse whose queries come over the Storage Read API alone: each is asked for again with its rows numbered, and what comes that way
 * stands in for the answer.
 */
import type { Statement } from '../../src/warehouse/sql.ts'
import type { Row, StreamOptions, Warehouse } from '../../src/warehouse/warehouse.ts'

const place = 'place__'

export function overStorage(warehouse: Warehouse): Warehouse {
  const { dialect, state } = warehouse
  const stream = (statement: Statement, options: StreamOptions = {}) =>
    unnumbered(warehouse.stream(numbered(statement), { ...options, numbered: place }))
  return {
    ...{ dialect, state, stream },
    query: async statement => {
      const rows: Row[] = []
      for await (const chunk of stream(statement)) rows.push(...chunk)
      return rows
    },
    execute: statement => warehouse.execute(statement),
    transaction: statements => warehouse.transaction(statements),
    describe: select => warehouse.describe(select),
    tables: (schema, prefix) => warehouse.tables(schema, prefix),
    columns: schema => warehouse.columns(schema),
    load: (relation, columns, rows) => warehouse.load(relation, columns, rows),
    close: () => warehouse.close(),
  }
}

/** In their own order: the evaluator keeps it where nothing asks for another. */
function numbered({ sql, params }: Statement): Statement {
  return { sql: `select row_number() over () as ${place}, q__.* from (${sql}\n) q__ order by ${place}`, params }
}

async function* unnumbered(chunks: AsyncIterable<readonly Row[]>): AsyncGenerator<readonly Row[]> {
  for await (const rows of chunks) yield rows.map(({ [place]: _, ...row }) => row)
}
