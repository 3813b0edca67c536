/** What a sync asks of its destination that the destination cannot do. Pure. */
import type { z } from 'zod'
import type { Problem } from '../project/problem.ts'
import type { FieldMapping, Mode, Sync } from '../project/project.ts'
import { suggestion } from '../project/suggest.ts'
import type { Action } from './destination.ts'

export type Actions = Readonly<Record<string, Pick<Action<never>, 'modes' | 'fields' | 'leavers' | 'takesLeavers'>>>

/** Modes that take back what was sent. */
const withLeavers: readonly Mode[] = ['mirror', 'audience']

export function syncProblems(sync: Sync, actions: Actions, definition: string): readonly Problem[] {
  const action = Object.hasOwn(actions, sync.action) ? actions[sync.action] : undefined
  if (action === undefined) {
    const message = `sync "${sync.name}": "${sync.destination}" has no action "${sync.action}"`
    return [problem('A6504', message, sync, 'action', suggestion(sync.action, Object.keys(actions), 'its actions'))]
  }
  return [
    ...modeProblems(sync, action, actions, definition),
    ...(action.fields ? fieldProblems(sync, action.fields) : []),
    ...leaverProblems(sync, action, actions),
  ]
}

/** Who leaves is known by what was sent alone, so what takes leavers finds only what the sync maps. */
function leaverProblems(sync: Sync, action: Actions[string], actions: Actions): readonly Problem[] {
  const taker = withLeavers.includes(sync.mode) && takerOf(action, actions) ? actions[action.leavers ?? ''] : undefined
  const own = new Set(missingIn(sync, action.fields))
  return missingIn(sync, taker?.fields)
    .filter(field => !own.has(field))
    .map(field =>
      problem(
        'A6507',
        `sync "${sync.name}": leavers go to "${action.leavers}", which needs the field "${field}"`,
        sync,
        'fields',
        `add "${field}" under fields`,
      ),
    )
}

function modeProblems(sync: Sync, action: Actions[string], actions: Actions, definition: string): readonly Problem[] {
  if (!action.modes.includes(sync.mode)) {
    const message = `sync "${sync.name}": the action "${sync.action}" does not work in the mode "${sync.mode}"`
    return [problem('A6505', message, sync, 'mode', modeHelp(sync, action, actions))]
  }
  if (!withLeavers.includes(sync.mode) || action.takesLeavers || takerOf(action, actions)) return []
  const message = `sync "${sync.name}": the mode "${sync.mode}" needs an action that takes those who leave, and "${sync.action}" has none`
  const help =
    definition === 'http'
      ? 'mark the action that removes records with `for: leavers`'
      : 'use the mode upsert, or another action'
  return [problem('A6505', message, sync, 'mode', help)]
}

function takerOf({ leavers }: Actions[string], actions: Actions): boolean {
  return leavers !== undefined && Object.hasOwn(actions, leavers) && actions[leavers]?.takesLeavers === true
}

function modeHelp(sync: Sync, action: Actions[string], actions: Actions): string {
  const fitting = Object.keys(actions).filter(name => actions[name]?.modes.includes(sync.mode))
  const own =
    action.modes.length === 0
      ? `"${sync.action}" only takes the leavers of other actions`
      : `"${sync.action}" works in ${action.modes.join(', ')}`
  return fitting.length === 0 ? own : `${own}; for "${sync.mode}" there is ${fitting.join(', ')}`
}

function fieldProblems(sync: Sync, fields: z.ZodObject): readonly Problem[] {
  const known = Object.keys(fields.shape)
  return [
    ...sync.fields.flatMap(mapping => fieldProblem(sync, mapping, fields, known)),
    ...missingIn(sync, fields).map(field =>
      problem(
        'A6507',
        `sync "${sync.name}": "${sync.action}" needs the field "${field}"`,
        sync,
        'fields',
        `add "${field}" under fields`,
      ),
    ),
  ]
}

/** Required fields that the sync does not map. */
function missingIn(sync: Sync, fields: z.ZodObject | undefined): readonly string[] {
  const mapped = new Set(sync.fields.map(mapping => mapping.field))
  return Object.entries(fields?.shape ?? {}).flatMap(([field, schema]) =>
    mapped.has(field) || schema.safeParse(undefined).success ? [] : [field],
  )
}

function fieldProblem(
  sync: Sync,
  { field, from, place }: FieldMapping,
  fields: z.ZodObject,
  known: readonly string[],
): readonly Problem[] {
  const schema = Object.hasOwn(fields.shape, field) ? fields.shape[field] : othersOf(fields)
  if (schema === undefined) {
    const help = suggestion(field, known, 'its fields')
    const message = `sync "${sync.name}": "${sync.action}" has no field "${field}"`
    return [{ code: 'A6506', message, place, ...(help !== undefined && { help }) }]
  }
  if (!('value' in from)) return []
  const read = schema.safeParse(from.value)
  if (read.success) return []
  const why = read.error?.issues[0]?.message ?? 'not valid'
  return [
    {
      code: 'A6508',
      message: `sync "${sync.name}": ${JSON.stringify(from.value)} does not suit "${field}": ${why}`,
      place,
    },
  ]
}

/** What a schema takes for names that it does not list; undefined when it takes none. */
function othersOf(
  fields: z.ZodObject,
): (z.core.$ZodType & { safeParse(value: unknown): z.ZodSafeParseResult<unknown> }) | undefined {
  const others = fields.def.catchall as z.ZodType | undefined
  return others === undefined || others.def.type === 'never' ? undefined : others
}

function problem(code: string, message: string, sync: Sync, key: string, help?: string): Problem {
  return { code, message, place: sync.places?.[key] ?? sync.place, ...(help !== undefined && { help }) }
}
