/** One schema per file kind; they validate, document and become the JSON Schemas that editors use. */
import { z } from 'zod'
import { frontMatterSchema } from './schema/front-matter.ts'
import { outcomeSchema } from './schema/outcome-file.ts'
import { projectSchema } from './schema/project-file.ts'
import { syncSchema } from './schema/sync-file.ts'

export const fileSchemas = {
  project: projectSchema,
  sync: syncSchema,
  model: frontMatterSchema,
  outcome: outcomeSchema,
} as const
export type FileKind = keyof typeof fileSchemas

/** JSON Schema, draft 07 (what editors' YAML servers read), of what people write in each kind of file. */
export function jsonSchemas(): Record<FileKind, object> {
  const convert = (schema: z.ZodType) => z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
  return {
    project: convert(projectSchema),
    sync: convert(syncSchema),
    model: convert(frontMatterSchema),
    outcome: convert(outcomeSchema),
  }
}
