import type { Abilities } from '../conformance/warehouse/trial.ts'

/** In what BigQuery differs, and what the evaluator cannot do (`../bigquery/server.ts`). */
export const abilities: Abilities = {
  storesNul: true,
  runsInParallel: true,
  // BigQuery has no names with quotes, dots, semicolons and dollars (cloud.google.com/bigquery/docs/schemas, "Flexible column names").
  names: { table: 'odd table 日本', columns: ['select', 'order', 'Mixed Case', "apostrophe's", 'ünï', '日本', '1st'] },
  // TIMESTAMP is an instant, and NUMERIC has nine places.
  types: { timestamp: 'datetime', 'decimal(38, 19)': 'bignumeric(38, 19)' },
  // NUMERIC is a number without a scale of its own.
  decimal: '1.5',
  // A million rows take the evaluator 35 s (measured).
  longStream: 20_000,
}
