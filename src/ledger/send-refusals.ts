/** What no engine accepts of a send, and how it says so. */
import { ledgerError } from './failure.ts'
import type { Conclusion, NewRequest } from './ledger.ts'
import { eventBetween, type RequestState, requestStates } from './request.ts'
import type { RequestRow } from './rows.ts'

/** The states from which a request may be sent. */
export const sendableStates: readonly RequestState[] = requestStates.filter(
  state => eventBetween(state, 'sending') !== undefined,
)

const conclusions: ReadonlySet<RequestState> = new Set(
  requestStates.filter(state => eventBetween('sending', state) !== undefined),
)

/** A5006: it would be sent from a state that does not lead there. */
export function notSendable({ requestId }: Pick<NewRequest, 'requestId'>, state: RequestState) {
  return ledgerError('A5006', `request ${requestId} is ${state} and cannot be sent again`)
}

/** A5007: the rebuilt request is not the one of the attempts before. */
export function notTheSame({ requestId }: Pick<NewRequest, 'requestId'>, { attempt }: Pick<RequestRow, 'attempt'>) {
  return ledgerError('A5007', `request ${requestId} is not the one that was recorded for attempt ${attempt}`)
}

/** Undefined unless no conclusion leads to the state, which is a defect of the caller. */
export function nonConclusion({ state }: Pick<Conclusion, 'state'>): TypeError | undefined {
  if (conclusions.has(state)) return undefined
  return new TypeError(`a request that is sending cannot become ${state} by a conclusion`)
}
