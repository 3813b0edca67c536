/** The front matter of a model: YAML in the comment that opens its SQL file. */
import { z } from 'zod'
import { onViolation } from '../project.ts'
import { columns, relationTest } from './columns.ts'
import { nonEmpty } from './text.ts'

export const frontMatterSchema = z
  .strictObject({
    description: z.string().optional().describe('What a row of the model stands for.'),
    key: z
      .union([nonEmpty(), z.array(nonEmpty()).min(1)])
      .optional()
      .describe('The column, or the list of columns, that identifies a row. Needed as soon as a sync uses the model.'),
    owner: nonEmpty().optional().describe('Who answers for the model; for people to read, nobody is notified.'),
    materialised: z
      .enum(['ephemeral', 'view', 'table'])
      .default('ephemeral')
      .describe(
        'How other models see it: `ephemeral` is pasted in as a common table expression, `view` and `table` are made in the warehouse first.',
      ),
    columns: columns
      .optional()
      .describe('The columns that the model promises, with types and tests; checked before every plan.'),
    tests: z.array(relationTest).optional().describe('Tests of the model as a whole.'),
    on_violation: z
      .enum(onViolation)
      .default('fail')
      .describe(
        'What happens when rows break a declared test: `fail` stops before planning, `quarantine` leaves the rows out until they are mended, `warn` counts them.',
      ),
    tags: z.array(nonEmpty()).optional().describe('Labels, for `--select tag:NAME`.'),
  })
  .describe('Front matter of a model of activate.')
