import type { ErrorCodes } from '../project/problem.ts'

/** A503x: what destinations report by calling us. */
export const callbacksCodes = {
  A5030: {
    title: 'an opt-out that cannot be kept',
    explanation:
      'A destination says that somebody opted out, by their address, and the project has no identifier with which such an address could be compared (a phone number needs one that is normalised as e164, an e-mail address one as email or gmail). So nobody would be kept from being sent to. Declare one under `identity` in activate.yml.',
    exit: 'invalid',
  },
  A5031: {
    title: 'no destination reports anything',
    explanation:
      'No destination of the project is of a type that calls back about what it took. `docs/destinations/` says of each type whether it does.',
    exit: 'invalid',
  },
  A5032: {
    title: 'callbacks could not be verified',
    explanation:
      'Whoever knows the address could report anything, so only what a vendor signed is believed. The settings of the destination lack what its signature is checked with; the message names it.',
    exit: 'invalid',
  },
  A5033: {
    title: 'callbacks cannot be received',
    explanation:
      'The address or the port that `activate callbacks` was to listen at is in use, or may not be used. Choose another one with `--host` and `--port`.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes
