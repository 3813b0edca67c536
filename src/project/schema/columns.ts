/** Declared columns and tests, which models and sources share. */
import { z } from 'zod'
import { present } from '../present.ts'
import type { Place } from '../problem.ts'
import { type ColumnContract, type ColumnTest, columnTypes, type RelationTest } from '../project.ts'
import { nonEmpty, scalar } from './text.ts'

const bound = () => z.union([z.number(), z.string()])

const columnTest = z.union([
  z.enum(['not_null', 'unique']),
  z.strictObject({
    accepted_values: z.array(scalar()).min(1).describe('The only values the column may have; NULL passes.'),
  }),
  z.strictObject({
    between: z
      .tuple([bound(), bound()])
      .superRefine(([min, max], context) => {
        if (typeof min !== typeof max || min <= max) return
        context.addIssue({
          code: 'custom',
          message: `nothing lies between ${min} and ${max}`,
          params: { help: 'write [lowest, highest]' },
        })
      })
      .describe('The lowest and the highest value, both allowed: numbers, or dates as text. NULL passes.'),
  }),
  z.strictObject({
    relationships: z
      .strictObject({
        to: nonEmpty().describe('The model or source whose column holds every value of this one.'),
        column: nonEmpty().describe('The column in `to`.'),
      })
      .describe('Every value must exist in a column of another model or source. NULL passes.'),
  }),
])

const column = z.strictObject({
  type: z.enum(columnTypes).optional().describe('The type that the column must have; an integer satisfies `number`.'),
  description: z.string().optional().describe('What the column means.'),
  tests: z
    .array(columnTest)
    .optional()
    .describe('What must hold for every row: `not_null`, `unique`, or a block with one test.'),
})

export const columns = z.record(nonEmpty(), column)

export const relationTest = z.union([
  z.strictObject({
    row_count: z
      .strictObject({
        min: z.int().min(0).optional().describe('At least so many rows.'),
        max: z.int().min(0).optional().describe('At most so many rows.'),
      })
      .superRefine(({ min, max }, context) => {
        if (min === undefined && max === undefined) {
          context.addIssue({
            code: 'custom',
            message: 'row_count limits nothing',
            params: { code: 'A1102', help: 'give min, max or both' },
          })
        } else if (min !== undefined && max !== undefined && min > max) {
          context.addIssue({ code: 'custom', message: `min ${min} is more than max ${max}` })
        }
      })
      .describe('How many rows there may be.'),
  }),
  z.strictObject({
    name: nonEmpty().describe('What the test is called in results.'),
    sql: nonEmpty().describe('A select that returns the offending rows; `{{this}}` is the relation under test.'),
  }),
])

function columnTestOf(test: z.output<typeof columnTest>): ColumnTest {
  if (typeof test === 'string') return { test }
  if ('accepted_values' in test) return { test: 'accepted_values', values: test.accepted_values }
  if ('between' in test) return { test: 'between', min: test.between[0], max: test.between[1] }
  return { test: 'relationships', ...test.relationships }
}

export function columnsOf(
  written: z.output<typeof columns> | undefined,
  place: (name: string) => Place,
): ColumnContract[] {
  return Object.entries(written ?? {}).map(([name, { type, description, tests }]) =>
    present({ name, type, description, tests: (tests ?? []).map(columnTestOf), place: place(name) }),
  )
}

export function relationTestsOf(written: readonly z.output<typeof relationTest>[] | undefined): RelationTest[] {
  return (written ?? []).map(test =>
    'sql' in test
      ? { test: 'sql', ...test }
      : present({ test: 'row_count' as const, min: test.row_count.min, max: test.row_count.max }),
  )
}
