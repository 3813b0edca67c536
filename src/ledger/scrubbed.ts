/** A ledger into which no secret gets: what destinations and people say is scrubbed on its way in. Keys and hashes are not touched. */
import type { Scrubber } from '../project/scrubber.ts'
import type { Ledger } from './ledger.ts'

export function scrubbedLedger(ledger: Ledger, { scrub, scrubAll }: Scrubber): Ledger {
  const said = <Said extends { readonly reason: string }>(deed: Said): Said => ({ ...deed, reason: scrub(deed.reason) })
  return {
    ...ledger,
    updateRun: (runId, { error, plan, ...change }, lease, entry) =>
      ledger.updateRun(
        runId,
        {
          ...change,
          ...(error === undefined ? {} : { error: scrubAll(error) }),
          ...(plan === undefined ? {} : { plan: scrubAll(plan) }),
        },
        lease,
        entry && { ...entry, detail: scrubAll(entry.detail) },
      ),
    conclude: ({ error, exceptions, deadLetters, ...conclusion }, lease) =>
      ledger.conclude(
        {
          ...conclusion,
          ...(error === undefined ? {} : { error: scrubAll(error) }),
          exceptions: exceptions.map(({ code, message, ...exception }) => ({
            ...{ ...exception, code: scrub(code), message: scrub(message) },
          })),
          ...(deadLetters === undefined
            ? {}
            : {
                deadLetters: deadLetters.map(({ code, message, ...letter }) => ({
                  ...{ ...letter, code: scrub(code), message: scrub(message) },
                })),
              }),
        },
        lease,
      ),
    resolveParked: (requestIds, event, at, lease, entry) =>
      ledger.resolveParked(requestIds, event, at, lease, entry && { ...entry, detail: scrubAll(entry.detail) }),
    noteReplay: (letterIds, at, lease, entry) =>
      ledger.noteReplay(letterIds, at, lease, entry && { ...entry, detail: scrubAll(entry.detail) }),
    endLetters: (letterIds, state, at, lease, entry) =>
      ledger.endLetters(letterIds, state, at, lease, entry && { ...entry, detail: scrubAll(entry.detail) }),
    suppress: (optOuts, deed) => ledger.suppress(optOuts, said(deed)),
    hold: hold => ledger.hold(said(hold)),
    releaseHold: (scope, deed) => ledger.releaseHold(scope, said(deed)),
    approve: (approval, detail) => ledger.approve(said(approval), scrubAll(detail)),
    bury: (tombstones, entry) => ledger.bury(tombstones, { ...entry, detail: scrubAll(entry.detail) }),
  }
}
