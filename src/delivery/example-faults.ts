/** Whether a definition does what its own examples say, for the tests of whoever writes one. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import type { Action, DestinationDefinition, Example, HttpReply } from './destination.ts'
import { interpretStatus, settleVerdict } from './interpret.ts'

/**
 * Every way in which a definition falls short of its examples, in words; none is what a test expects. `settings` as in
 * `activate.yml`, with any text in place of a secret's reference: `{ token: '${env:TOKEN}' }`.
 */
export function faultsOf<Schema extends z.ZodObject>(
  definition: DestinationDefinition<Schema>,
  settings: Readonly<Record<string, unknown>>,
): readonly string[] {
  const read = definition.settings.safeParse(settings)
  if (!read.success) return read.error.issues.map(({ path, message }) => `settings: ${path.join('.')}: ${message}`)
  const actions = Object.entries(definition.actions(read.data))
  return actions.flatMap(([name, action]) => {
    const taker = action.leavers === undefined ? undefined : actions.find(([other]) => other === action.leavers)
    const leavers = action.leavers !== undefined && taker?.[1].takesLeavers !== true
    const examples = action.examples ?? []
    return [
      ...(leavers ? [`${name}: "${action.leavers}" is no action that takes leavers`] : []),
      ...(examples.length === 0 ? [`${name}: has no example`] : []),
      ...examples.flatMap(example =>
        exampleFaults(action, example, read.data).map(fault => `${name}, ${example.name}: ${fault}`),
      ),
    ]
  })
}

function exampleFaults<Settings>(action: Action<Settings>, example: Example, settings: Settings): readonly string[] {
  const { changes, request, reply, verdict } = example
  const built = action.request?.(changes, { settings, idempotencyKey: 'request-key' })
  const read = readBy(action, example, replyOf(reply.status, reply.headers ?? {}, textOf(reply.body)))
  const { outcomes, unknown } = settleVerdict(read, changes)
  const silent = ['', '<html>', '{}', '[]', 'null'].filter(text => {
    const answer = readBy(action, example, replyOf(reply.status, {}, text))
    return verdict.kind === 'each' && settleVerdict(answer, changes).outcomes.some(({ outcome }) => outcome === 'acked')
  })
  return [
    ...(changes.length > (action.batch?.maxRecords ?? 1) ? ['it has more records than a request takes'] : []),
    ...(isDeepStrictEqual(built, request) ? [] : [`the request is ${JSON.stringify(built)}`]),
    ...(usesMore(action, example, settings) ? ['the request uses more of leavers than `leaverFields` says'] : []),
    ...(isDeepStrictEqual(read, verdict) ? [] : [`the reply is read as ${JSON.stringify(read)}`]),
    ...(outcomes.length === changes.length && unknown.length === 0 ? [] : ['it names records that were not sent']),
    ...silent.map(text => `a body of ${JSON.stringify(text)} acknowledges records`),
  ]
}

/** Whether the request is another when all but the fields that it says it uses are null. */
function usesMore<Settings>(action: Action<Settings>, { changes, request }: Example, settings: Settings): boolean {
  const { takesLeavers, leaverFields } = action
  if (takesLeavers !== true || leaverFields === undefined) return false
  const poor = changes.map(change => {
    const fields = Object.entries(change.fields).map(([name, value]) => [
      name,
      leaverFields.includes(name) ? value : null,
    ])
    return { ...change, fields: Object.fromEntries(fields) as typeof change.fields }
  })
  return !isDeepStrictEqual(action.request?.(poor, { settings, idempotencyKey: 'request-key' }), request)
}

function readBy<Settings>(action: Action<Settings>, { changes }: Example, reply: HttpReply) {
  return (action.interpret ?? interpretStatus)(reply, changes)
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}

function replyOf(status: number, headers: HttpReply['headers'], text: string): HttpReply {
  return { status, headers, text, json: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // not JSON, which `interpret` has to live with
  }
}
