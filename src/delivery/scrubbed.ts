/** A destination whose answers hold no secret: a server may send back what it was sent, in whatever part of a reply. */
import type { Scrubber } from '../project/scrubber.ts'
import type { Verdict } from './destination.ts'
import type { OpenDestination } from './open-destination.ts'

export function scrubbedDestination(destination: OpenDestination, scrubber: Scrubber): OpenDestination {
  return {
    ...destination,
    attempt: async (prepared, at, hooks) => scrubbedVerdict(await destination.attempt(prepared, at, hooks), scrubber),
    async ask(action, changes, at, hooks) {
      const verdict = await destination.ask(action, changes, at, hooks)
      if (verdict.kind === 'each') return verdict
      return { ...verdict, code: scrubber.scrub(verdict.code), message: scrubber.scrub(verdict.message) }
    },
    async askForJob(prepared, reference, at, hooks) {
      const verdict = await destination.askForJob(prepared, reference, at, hooks)
      if (verdict.kind === 'pending') return verdict
      if (verdict.kind === 'acked' || verdict.kind === 'each') return scrubbedVerdict(verdict, scrubber)
      return { ...verdict, code: scrubber.scrub(verdict.code), message: scrubber.scrub(verdict.message) }
    },
    async probe(at) {
      const verdict = await destination.probe(at)
      return verdict && scrubbedVerdict(verdict, scrubber)
    },
  }
}

/** What matches records to outcomes stays as it is; what people read does not. */
function scrubbedVerdict<Kind extends Verdict>(verdict: Kind, scrubber: Scrubber): Kind
function scrubbedVerdict(verdict: Verdict, { scrub }: Scrubber): Verdict {
  if (verdict.kind === 'acked' || verdict.kind === 'accepted') return verdict
  if (verdict.kind === 'refused' && verdict.faults !== undefined) {
    const faults = verdict.faults.map(fault => ({ ...fault, code: scrub(fault.code), message: scrub(fault.message) }))
    return { ...verdict, code: scrub(verdict.code), message: scrub(verdict.message), faults }
  }
  if (verdict.kind !== 'each') return { ...verdict, code: scrub(verdict.code), message: scrub(verdict.message) }
  return {
    kind: 'each',
    outcomes: verdict.outcomes.map(outcome =>
      outcome.outcome === 'acked'
        ? outcome
        : { ...outcome, code: scrub(outcome.code), message: scrub(outcome.message) },
    ),
  }
}
