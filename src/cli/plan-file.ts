/** Reads what `dry-run --save` wrote. What a person may have edited is checked before it is believed. */
import { z } from 'zod'
import { decisions, operations, type Plan, type PlanApproval } from '../plan/plan.ts'
import { present } from '../project/present.ts'
import { modes } from '../project/project.ts'
import type { PlanDocument } from '../run.ts'

const count = z.number().int().min(0)
const counts = <Name extends string>(names: readonly Name[]) => z.record(z.enum(names), count)
const fields = z.record(z.string(), z.json()).nullable()

const plan = z.object({
  sync: z.string(),
  plan_hash: z.string().min(1),
  config_hash: z.string().min(1),
  model: z.string(),
  destination: z.string(),
  action: z.string(),
  mode: z.enum(modes),
  rows: z.object({ model: count, quarantined: count, ineligible: count, population: count, unchanged: count }),
  changes: counts(operations),
  decisions: counts(decisions),
  reasons: z.record(z.string(), count),
  leavers_to: z.string().optional(),
  requests: count,
  seconds_at_limit: z.number().min(0),
  guard: z.object({ verdict: z.enum(['pass', 'hold']), reasons: z.array(z.string()) }),
  // A plan that was saved by an earlier version knows of none.
  approval: z
    .object({
      needed: z.boolean(),
      because: z.string().optional(),
      by: z.string().optional(),
      at: z.iso.datetime().optional(),
    })
    .transform(({ needed, ...said }): PlanApproval => ({ needed, ...present(said) }))
    .default({ needed: false }),
  samples: z.array(
    z
      .object({
        key: z.string(),
        op: z.enum(operations),
        decision: z.enum(decisions),
        reason: z.string().optional(),
        before: fields,
        after: fields,
      })
      .transform(({ reason, ...sample }) => (reason === undefined ? sample : { ...sample, reason })),
  ),
  ineligible: z.array(z.object({ key: z.string(), reason: z.string() })),
  warnings: z.array(z.string()),
})

const options = z
  .object({ full_resync: z.boolean(), limit: z.number().int().min(1).optional() })
  .transform(({ full_resync, limit }) => ({ full_resync, ...(limit === undefined ? {} : { limit }) }))

const planDocument = z.object({
  schema: z.literal('activate.plan/1'),
  as_of: z.iso.datetime({ offset: true }),
  options: options.optional(),
  plans: z.array(plan).min(1),
})

/** A plan as a run has recorded it, or undefined when this version cannot read it. */
export function readPlan(recorded: unknown): Plan | undefined {
  return plan.safeParse(recorded).data
}

/** Throws an Error that says in one line what is wrong. */
export function readPlanDocument(text: string): PlanDocument {
  const read = planDocument.safeParse(JSON.parse(text))
  if (!read.success) {
    const [issue] = read.error.issues
    throw new Error(`${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'unreadable'}`)
  }
  const { schema, as_of, plans, options } = read.data
  return { schema, as_of, plans: plans satisfies readonly Plan[], ...(options === undefined ? {} : { options }) }
}
