/**
 * A destination ready for use: settings checked, secrets in place, connection open. Delivery knows destinations only in
 * this form; the registry makes it with `openHttpDestination` or `openSessionDestination`.
 */
import { hash } from 'node:crypto'
import type { z } from 'zod'
import { ActivateError } from '../project/problem.ts'
import { type Account, type Accounts, accountOf, createAccount } from './account.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { type Concurrency, createConcurrency } from './concurrency.ts'
import type {
  Action,
  Change,
  DestinationDefinition,
  HttpReply,
  JobVerdict,
  LookupVerdict,
  RateLimit,
  Verdict,
} from './destination.ts'
import { type FrozenHttpRequest, freeze } from './frozen-request.ts'
import { type AttemptHooks, boundsOf, openEgress } from './http-attempt.ts'
import { askFile } from './job-file.ts'
import type { EgressOptions } from './open-client.ts'
import { type ReadLimits, readRateHeaders } from './rate-headers.ts'

/** What delivery needs to know of an action; how it speaks stays inside. */
export type OpenAction = Pick<
  Action<never>,
  | 'summary'
  | 'modes'
  | 'fields'
  | 'batch'
  | 'limits'
  | 'idempotency'
  | 'lookup'
  | 'job'
  | 'leavers'
  | 'takesLeavers'
  | 'leaverFields'
>

/** A request whose bytes are frozen: every attempt sends exactly these. */
export interface PreparedRequest {
  readonly action: string
  readonly changes: readonly Change[]
  readonly idempotencyKey: string
  /** SHA-256 (hex) over method, path, the action's own headers and the body; credentials are not part of it. */
  readonly bodyHash: string
  readonly http?: FrozenHttpRequest
}

export interface OpenDestination {
  /** The name under `destinations` in the project. */
  readonly name: string
  readonly limits: readonly RateLimit[]
  /** Requests in flight at most. */
  readonly concurrency: number
  /** One per account, so that every destination and sync that uses it shares the limits and a pause. */
  readonly account: Account
  /** Of this destination and this process, for every sync that uses it. */
  readonly breaker: Breaker
  readonly adaptive: Concurrency
  /** What a reply's headers say of limits; names in lower case. */
  readonly readLimits: ReadLimits
  /** Throws A6010 for an action that the destination does not have. */
  action(name: string): OpenAction
  /** Deterministic: the same changes and key give the same bytes. Throws what the action's `request` throws. */
  prepare(action: string, changes: readonly Change[], idempotencyKey: string): PreparedRequest
  /**
   * Sends once, never repeats, never throws for what a destination or a network does. What never left is `retry` (or
   * `denied` when repeating cannot help); what may have arrived without an answer is `uncertain`. `at` in milliseconds.
   */
  attempt(prepared: PreparedRequest, at: number, hooks?: AttemptHooks): Promise<Verdict>
  /**
   * Asks once whether these changes have arrived, and never throws for what a destination or a network does. Throws A6011 for
   * an action that cannot be asked about. `at` and `hooks` as for an attempt.
   */
  ask(action: string, changes: readonly Change[], at: number, hooks?: AttemptHooks): Promise<LookupVerdict>
  /**
   * Asks once what became of the job that this request has become, as `ask` does. Throws A6011 for an action that has no
   * jobs.
   */
  askForJob(prepared: PreparedRequest, reference: string, at: number, hooks?: AttemptHooks): Promise<JobVerdict>
  /** The definition's harmless request, for `doctor`; undefined when it has none. */
  probe(at: number): Promise<Verdict | undefined>
  close(): Promise<void>
}

export interface OpenOptions extends EgressOptions {
  /** The name under `destinations` in the project. */
  readonly name: string
  /** Those that this process has open; without them, the destination shares its account with nobody. */
  readonly accounts?: Accounts
}

/**
 * Opens a destination that speaks HTTP. Connections are made when first needed.
 *
 * @throws A6009 when the base URL is not usable, A6007 when it is a literal address that is not allowed, A6011 when the
 *   definition has no base URL, or an action is to be asked about and does not say how
 */
export function openHttpDestination<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
  options: OpenOptions,
): OpenDestination {
  const { name } = options
  const actions = definition.actions(settings)
  refuseMute(definition.name, actions, true)
  const egress = openEgress(definition, settings, options)
  const limits = definition.limits(settings)
  const bounds = boundsOf(definition, settings)
  const identity = { type: definition.name, address: egress.address, credentials: egress.credentials }

  return {
    ...partsOf(definition, settings, name),
    account: accountOf(options.accounts ?? new Map(), identity, limits),
    readLimits: definition.readLimits ?? readRateHeaders,
    action: wanted => find(actions, wanted, name),
    prepare(wanted, changes, idempotencyKey) {
      const { request } = find(actions, wanted, name)
      if (request === undefined) throw incomplete(definition.name, `the action ${wanted} has no \`request\``)
      const http = freeze(request(changes, { settings, idempotencyKey }))
      return { action: wanted, changes, idempotencyKey, bodyHash: hashOf(http), http }
    },
    async attempt(prepared, at, hooks) {
      if (prepared.http === undefined) throw new TypeError('this request was prepared for something that is not HTTP')
      const { interpret, job } = find(actions, prepared.action, name)
      const verdict = await egress.send(prepared.http, {
        id: prepared.idempotencyKey,
        at,
        changes: prepared.changes,
        interpret,
        ...hooks,
      })
      // Nobody could ever find out what became of it.
      return verdict.kind === 'accepted' && job === undefined ? { kind: 'uncertain', ...unaskable } : verdict
    },
    async askForJob(prepared, reference, at, hooks) {
      const { job } = find(actions, prepared.action, name)
      if (job === undefined) throw incomplete(definition.name, `the action ${prepared.action} has no \`job\``)
      const { changes } = prepared
      let answer: HttpReply | undefined
      const interpret = (reply: HttpReply) => {
        answer = reply
        return job.interpret(reply, changes)
      }
      const verdict = await egress.ask(freeze(job.request(reference, { settings })), {
        ...{ id: `job-${reference}`, at, changes, interpret },
        ...hooks,
      })
      if (verdict.kind !== 'refused' || answer === undefined || job.file === undefined) return verdict
      return (await askFile(job.file, answer, changes, { ...options, ...bounds })) ?? verdict
    },
    async ask(wanted, changes, at, hooks) {
      const { lookup } = find(actions, wanted, name)
      if (lookup === undefined) throw incomplete(definition.name, `the action ${wanted} has no \`lookup\``)
      const { request, interpret } = lookup
      // A receiver that knows messages by their ids must not take a question for the message that it is about.
      const id = `lookup-${changes[0]?.changeId}`
      return egress.ask(freeze(request(changes, { settings })), { id, at, changes, interpret, ...hooks })
    },
    async probe(at) {
      const probe = definition.probe?.(settings)
      return probe && egress.send(freeze(probe), { id: 'probe', at, changes: [], interpret: undefined })
    },
    close: () => egress.close(),
  }
}

/**
 * Opens a destination that is not HTTP: a file, a database.
 *
 * @throws A6011 when the definition has no `open`, and whatever opening throws
 */
export async function openSessionDestination<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
  options: { readonly name: string; readonly root: string },
): Promise<OpenDestination> {
  const { name, root } = options
  if (definition.open === undefined) throw incomplete(definition.name, 'it has no `open`')
  const actions = definition.actions(settings)
  refuseMute(definition.name, actions, false)
  const session = await definition.open(settings, { root })

  return {
    ...partsOf(definition, settings, name),
    account: createAccount(() => `${definition.name} ${name}`, definition.limits(settings)),
    readLimits: () => [],
    action: wanted => find(actions, wanted, name),
    prepare: (action, changes, idempotencyKey) => ({
      action,
      changes,
      idempotencyKey,
      bodyHash: hash('sha256', JSON.stringify([action, changes])),
    }),
    async attempt(prepared, _at, hooks): Promise<Verdict> {
      find(actions, prepared.action, name)
      if (hooks?.onLeaving?.() === false)
        return { kind: 'retry', code: 'too_late', message: 'it may not leave any more' }
      try {
        return await session.deliver(prepared.action, prepared.changes)
      } catch (error) {
        // A session answers with verdicts; what it throws it did not foresee, so nobody knows how far it came.
        return {
          kind: 'uncertain',
          code: 'session_failed',
          message: error instanceof Error ? error.message : String(error),
        }
      }
    },
    ask: async action => {
      throw incomplete(definition.name, `the action ${action} cannot be asked about`)
    },
    askForJob: async ({ action }) => {
      throw incomplete(definition.name, `the action ${action} has no jobs`)
    },
    probe: async () => undefined,
    close: () => session.close(),
  }
}

const unaskable = {
  code: 'unreadable_reply',
  message: 'it was taken as a job, and the action does not say how to ask about one',
} as const

function partsOf<Schema extends DestinationDefinition['settings']>(
  definition: DestinationDefinition<Schema>,
  settings: z.output<Schema>,
  name: string,
) {
  const concurrency = definition.concurrency(settings)
  const limits = definition.limits(settings)
  return { name, limits, concurrency, breaker: createBreaker(), adaptive: createConcurrency(concurrency) }
}

function find<Found>(actions: Readonly<Record<string, Found>>, wanted: string, destination: string): Found {
  const action = Object.hasOwn(actions, wanted) ? actions[wanted] : undefined
  if (action !== undefined) return action
  throw new ActivateError('invalid', {
    code: 'A6010',
    message: `the destination ${destination} has no action "${wanted}"`,
    help: `its actions are ${Object.keys(actions).join(', ')}`,
  })
}

/** An action with the idempotency `lookup` must say how the destination is asked, which only HTTP can. */
function refuseMute(
  definition: string,
  actions: Readonly<Record<string, Pick<Action<never>, 'idempotency' | 'lookup'>>>,
  canAsk: boolean,
): void {
  for (const [name, { idempotency, lookup }] of Object.entries(actions)) {
    if (idempotency.kind === 'lookup' && (lookup === undefined || !canAsk))
      throw incomplete(definition, `the action ${name} does not say how the destination is asked`)
  }
}

function incomplete(definition: string, what: string): ActivateError {
  return new ActivateError('failed', {
    code: 'A6011',
    message: `the destination type ${definition} is incomplete: ${what}`,
  })
}

function hashOf({ method, path, headers, body }: FrozenHttpRequest): string {
  return hash('sha256', `${method} ${path}\n${JSON.stringify(headers)}\n${body ?? ''}`)
}
