/**
 * A request's life. `sending` is committed before the first byte leaves. What the destination then says is recorded row by
 * row; what we do not know we call `uncertain`, and only the action's idempotency may bring it back. A `sending` row that
 * another runner finds is uncertain too: it may have left.
 *
 *   planned ─► sending ─► acked                            every record answered for; exceptions are recorded beside it
 *                 ├─────► rejected                         definitely refused for good
 *                 ├─────► planned                          definitely not processed: later again, same key, same bytes
 *                 └─────► uncertain ─► sending             natural, or keyed inside its window: sent again
 *                              │                           lookup: the attempt asks; acked, planned or uncertain follows
 *                              │                           taken as a job: the attempt asks about the job, by its name
 *                              ├─────► acked | planned     known from elsewhere
 *                              └─────► parked ─► acked | planned | dead     a person says which
 *
 * `cancelled` is for requests that never left and whose changes a later plan takes over.
 */
export const requestStates = [
  'planned',
  'sending',
  'acked',
  'rejected',
  'uncertain',
  'parked',
  'dead',
  'cancelled',
] as const
export type RequestState = (typeof requestStates)[number]

export const transitions = {
  planned: { send: 'sending', cancel: 'cancelled' },
  sending: { ack: 'acked', refuse: 'rejected', postpone: 'planned', lose: 'uncertain' },
  uncertain: { resend: 'sending', found: 'acked', absent: 'planned', park: 'parked' },
  parked: { resolve: 'acked', retry: 'planned', drop: 'dead' },
  rejected: { bury: 'dead' },
  acked: {},
  dead: {},
  cancelled: {},
} as const satisfies Record<RequestState, Partial<Record<string, RequestState>>>

export type RequestEvent = { [State in RequestState]: keyof (typeof transitions)[State] }[RequestState]

/** What a person can say of a parked request. */
export type ParkedEvent = keyof (typeof transitions)['parked']

/** The state after an event; throws when the machine has no such edge, which is a defect of the caller. */
export function transition(from: RequestState, event: RequestEvent): RequestState {
  const next = (transitions[from] as Partial<Record<RequestEvent, RequestState>>)[event]
  if (next === undefined) throw new TypeError(`a request that is ${from} cannot ${event}`)
  return next
}

/** The event that leads from one state to another, or undefined when the machine has no such edge. */
export function eventBetween(from: RequestState, to: RequestState): RequestEvent | undefined {
  const edges = Object.entries(transitions[from]) as [RequestEvent, RequestState][]
  return edges.find(([, next]) => next === to)?.[0]
}
