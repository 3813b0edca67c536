/**
 * What a project's own destination is made of: `import { defineDestination, z } from 'activate/destination'`. Everything here
 * is a pure function; a definition describes requests and reads replies, and the tool alone sends (docs/destinations/adding-one.md).
 */
export { z } from 'zod'
export {
  type Action,
  type ActionLimits,
  type Change,
  type DestinationDefinition,
  defineDestination,
  type Example,
  type Finding,
  type HttpReply,
  type HttpRequest,
  type Idempotency,
  type Lookup,
  type LookupVerdict,
  type RateLimit,
  type RecordOutcome,
  type Refresh,
  type RequestContext,
  type Verdict,
} from './delivery/destination.ts'
export { faultsOf } from './delivery/example-faults.ts'
export { interpretStatus, retryAfterOf } from './delivery/interpret.ts'
export type { LimitReading, ReadLimits } from './delivery/rate-headers.ts'
export { baseUrl } from './destinations/http-settings.ts'
export { type OutcomePaths, readOutcomes, unreadable, valueAt } from './destinations/record-outcomes.ts'
export { duration } from './project/duration.ts'
export type { Json, Mode } from './project/project.ts'
export { secret, secretText } from './project/secret.ts'
