/**
 * The destination kit: a destination is one file that exports `defineDestination({…})`. `request` and `interpret` are
 * pure; the engine alone owns HTTP, egress rules, rate limits, retries and secrets. A record that `interpret` does not
 * name is uncertain, never delivered.
 */
import type { z } from 'zod'
import type { Operation } from '../plan/plan.ts'
import type { Json, Mode } from '../project/project.ts'
import type { ReadLimits } from './rate-headers.ts'

/** One record as a destination sees it. */
export interface Change {
  readonly key: string
  readonly changeId: string
  readonly op: Operation
  readonly fields: Readonly<Record<string, Json>>
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Joined to the destination's base URL. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; the engine serialises once and freezes the bytes. */
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
}

export interface HttpReply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The parsed body, or undefined when it is not JSON. */
  readonly json: unknown
}

export type RecordOutcome = { readonly changeId: string } & (
  | {
      readonly outcome: 'acked'
      /** The vendor's own id of what it took; kept, so that what it reports of it later finds its record. */
      readonly reference?: string
    }
  | {
      readonly outcome: 'rejected'
      readonly code: string
      readonly message: string
      /** The address (phone number, e-mail address) whose owner opted out at the vendor; suppressed from then on. */
      readonly optOut?: string
    }
  | { readonly outcome: 'retry'; readonly code: string; readonly message: string }
  | { readonly outcome: 'uncertain'; readonly code: string; readonly message: string }
)

/** A record that is why a whole request was refused. */
export interface Fault {
  readonly changeId: string
  readonly code: string
  readonly message: string
}

interface Later {
  readonly code: string
  readonly message: string
  readonly after?: number
  /** No reply came; set by the engine. */
  readonly connection?: boolean
}

/** What a reply (or its absence) means. */
export type Verdict = Answer | Accepted

/**
 * The vendor took the request as a job and will say later what became of it; `reference` names the job there. `after`:
 * milliseconds until the job is worth a first look. Only for actions that have a `job`.
 */
export interface Accepted {
  readonly kind: 'accepted'
  readonly reference: string
  readonly after?: number
}

export type Answer =
  /** Each record by its own id; records that are missing, or named twice with different answers, become uncertain. */
  | { readonly kind: 'each'; readonly outcomes: readonly RecordOutcome[] }
  | { readonly kind: 'acked' }
  /**
   * The request was refused whole and nothing of it was applied. Records that the reply names as being at fault are refused,
   * and the others go on without them; where it names none, halves are tried, down to the record at fault.
   */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly faults?: readonly Fault[] }
  /** Definitely not processed: the same request later. `after` in milliseconds when the destination named a time. */
  | ({ readonly kind: 'retry' } & Later)
  /** It may have been processed. `after` in milliseconds when the destination named a time for asking again. */
  | ({ readonly kind: 'uncertain' } & Later)
  /** Credentials or permission: the run stops, nothing of this request was processed. */
  | { readonly kind: 'denied'; readonly code: string; readonly message: string }

/**
 * What a repetition does. `natural`: the same again changes nothing (PUT, upsert by id). `keyed`: the destination
 * recognises our key for `window` milliseconds. `lookup`: every repetition is a new effect, but the destination can be asked
 * whether it has the first; what was applied is found there `settle` milliseconds after it was sent, at the latest. `none`:
 * every repetition is a new effect, and nobody can tell.
 */
export type Idempotency =
  | { readonly kind: 'natural' }
  | { readonly kind: 'keyed'; readonly window: number }
  | { readonly kind: 'lookup'; readonly settle: number }
  | { readonly kind: 'none' }

/** What the destination says of one record that it was asked about. `absent` only when it would surely be found if it were there. */
export interface Finding {
  readonly changeId: string
  readonly finding: 'found' | 'absent' | 'unknown'
}

/** What the answer to a question (or its absence) means. */
export type LookupVerdict =
  /** Each record by its own id; records that are missing, or named twice with different findings, are unknown. */
  | { readonly kind: 'each'; readonly findings: readonly Finding[] }
  /** It says nothing of any record: the question is asked again. `after` in milliseconds when a time was named. */
  | { readonly kind: 'unanswered'; readonly code: string; readonly message: string; readonly after?: number }
  /** Credentials or permission: the run stops. */
  | { readonly kind: 'denied'; readonly code: string; readonly message: string }

/** How a destination is asked whether records have arrived. A question must have no effect there. */
export interface Lookup<Settings> {
  /** Records that one question may name; undefined: as many as a request carries. */
  readonly maxRecords?: number
  /** Under which limits of their own questions fall; undefined: the account's alone. */
  readonly limits?: ActionLimits
  readonly request: (batch: readonly Change[], context: { readonly settings: Settings }) => HttpRequest
  /** Only called with what the destination truly answered, whatever the status. */
  readonly interpret: (reply: HttpReply, batch: readonly Change[]) => LookupVerdict
  readonly examples?: readonly (Omit<Example, 'verdict'> & { readonly verdict: LookupVerdict })[]
}

/** What the answer to a question about a job (or its absence) means. */
export type JobVerdict =
  /** It ended, with each record by its own id; records that are missing, or named twice with different answers, become uncertain. */
  | { readonly kind: 'each'; readonly outcomes: readonly RecordOutcome[] }
  /** It ended, and every record of it was applied. */
  | { readonly kind: 'acked' }
  /** It ended without saying which records it did not take: halves are tried, so only an action that may be repeated says this. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** It goes on. `after` in milliseconds when a time was named. */
  | { readonly kind: 'pending'; readonly after?: number }
  /** The vendor does not know such a job, or gave it up without a word: the request may or may not have been applied. */
  | { readonly kind: 'gone'; readonly code: string; readonly message: string }
  /** It says nothing of the job: the question is asked again. `after` in milliseconds when a time was named. */
  | { readonly kind: 'unanswered'; readonly code: string; readonly message: string; readonly after?: number }
  /** Credentials or permission: the run stops. */
  | { readonly kind: 'denied'; readonly code: string; readonly message: string }

/**
 * How a destination is asked what became of a request that it took as a job. A question must have no effect there. Between
 * two questions nothing is held but the records: no connection, no place at a limit.
 */
export interface Job<Settings> {
  /** Milliseconds after it was accepted for which a job is asked about; what has not ended by then is uncertain. */
  readonly deadline: number
  /** Milliseconds before the first question; each further one waits twice as long as the one before, up to two minutes. */
  readonly every: number
  /** Under which limits of their own questions fall; undefined: the account's alone. */
  readonly limits?: ActionLimits
  readonly request: (reference: string, context: { readonly settings: Settings }) => HttpRequest
  /** Only called with what the destination truly answered, whatever the status. */
  readonly interpret: (reply: HttpReply, batch: readonly Change[]) => JobVerdict
  /** Asked when the answer was `refused`. */
  readonly file?: JobFile
  readonly examples?: readonly (Omit<Example, 'verdict'> & {
    readonly reference: string
    readonly verdict: JobVerdict
  })[]
}

/**
 * A file at another address that says whom a refused job did not take. It is fetched once, without credentials, and only from
 * where requests may go; when it cannot be had, or does not tell, halves are tried.
 */
export interface JobFile {
  /** Absolute; undefined when the answer names none. */
  readonly address: (answer: HttpReply) => string | undefined
  /** `answer` is what told of the refusal. Undefined: it does not say beyond doubt whom it means. */
  readonly interpret: (
    file: HttpReply,
    batch: readonly Change[],
    answer: HttpReply,
  ) => Extract<JobVerdict, { kind: 'each' }> | undefined
  readonly examples?: readonly {
    readonly name: string
    readonly changes: readonly Change[]
    /** The body of the answer. */
    readonly answer: unknown
    readonly reply: Example['reply']
    readonly verdict: Extract<JobVerdict, { kind: 'each' }> | undefined
  }[]
}

/** What a vendor called us with; `body` is as it came, because signatures are over bytes. */
export interface CallbackRequest {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One thing that a vendor reports after it took a record. */
export interface CallbackReport {
  /** The id under which it took the record (`reference` of an outcome); undefined when it is about nothing that was sent. */
  readonly reference?: string
  /** The vendor's own word, such as `delivered`. */
  readonly outcome: string
  /** Whether nothing further is to be expected. */
  readonly final: boolean
  readonly code?: string
  /** The address whose owner has opted out. */
  readonly optOut?: string
  /** Somebody took an opt-out back there. It is told to whoever watches, and lifts nothing here. */
  readonly optIn?: true
}

/** What a vendor reports by calling us. Pure; `activate callbacks` listens and writes down. */
export interface Callback<Settings> {
  /** What kind of address comes with an opt-out: the project needs an identifier for it. */
  readonly optOuts: 'phone' | 'email'
  /** What the settings lack for a call to be believed; undefined when they have it. */
  readonly lacks: (settings: Settings) => string | undefined
  /** Whether it was the vendor who called, by its signature. */
  readonly verify: (settings: Settings, request: CallbackRequest) => boolean
  /** Only called with what was verified. Throws for what it cannot read. */
  readonly read: (request: CallbackRequest) => readonly CallbackReport[]
}

export interface RateLimit {
  readonly requests: number
  readonly perMilliseconds: number
}

/** Limits that hold for some actions alone, under those of the account: a request needs a place in both. */
export interface ActionLimits {
  /** Names them within the account: actions that give the same name share them. */
  readonly name: string
  /** May be empty where only headers tell of them. */
  readonly limits: readonly RateLimit[]
  /** Whether the vendor's headers speak of these, and not of the account. */
  readonly toldByHeaders?: boolean
}

export interface RequestContext<Settings> {
  readonly settings: Settings
  /** Stable over every attempt of this request. */
  readonly idempotencyKey: string
}

/** A connection that is not HTTP (a file, a database); made by the definition's `open`. */
export interface Session {
  deliver(action: string, batch: readonly Change[]): Promise<Verdict>
  close(): Promise<void>
}

export interface Action<Settings> {
  readonly summary: string
  readonly modes: readonly Mode[]
  /** Names and types of the fields a sync may map; undefined accepts any field. */
  readonly fields?: z.ZodObject
  /** Undefined: one record per request. */
  readonly batch?: { readonly maxRecords: number; readonly maxBytes?: number }
  /** Undefined: the account's limits are all that hold for it. */
  readonly limits?: ActionLimits
  readonly idempotency: Idempotency
  /** Required where the idempotency is `lookup`. */
  readonly lookup?: Lookup<Settings>
  /** Required where a reply is read as `accepted`. */
  readonly job?: Job<Settings>
  /** The action that takes the leavers of a mirror or an audience; undefined when this one takes them itself. */
  readonly leavers?: string
  /** Whether this action can take leavers at all. */
  readonly takesLeavers?: boolean
  /**
   * Of those who leave: the fields whose values `request` and `lookup` use, beside the key and the names of all fields. Undefined: all of them. Where
   * looking up what somebody had costs money, the values of other fields are null.
   */
  readonly leaverFields?: readonly string[]
  /** What cannot be taken back of what it does; a dry-run says it before it is done. */
  readonly irrevocable?: string
  readonly request?: (batch: readonly Change[], context: RequestContext<Settings>) => HttpRequest
  /** Only called with what the destination truly answered. Undefined: `interpretStatus`. */
  readonly interpret?: (reply: HttpReply, batch: readonly Change[]) => Verdict
  readonly examples?: readonly Example[]
}

/** A worked request and reply: the conformance test and the reference page are made from these. */
export interface Example {
  readonly name: string
  readonly changes: readonly Change[]
  readonly request: HttpRequest
  readonly reply: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>>
    readonly body: unknown
  }
  readonly verdict: Verdict
}

/**
 * How to get an access token that expires. The engine asks once for all requests that need it, some time before the old one
 * expires and after a 401, and sends the refused request again with the same bytes. A second 401 in a row is final.
 */
export interface Refresh {
  /** Absolute; the rules for addresses hold for it as for the base URL. */
  readonly url: string
  readonly request: Omit<HttpRequest, 'path'>
  /** Undefined when the reply holds no token. `expiresIn` in milliseconds. */
  readonly read: (reply: HttpReply) => { readonly token: string; readonly expiresIn?: number } | undefined
  /** Headers of every request, made from the token. */
  readonly headers: (token: string) => Readonly<Record<string, string>>
}

export interface DestinationDefinition<Schema extends z.ZodObject = z.ZodObject> {
  readonly name: string
  readonly summary: string
  /** The vendor's documentation, with the date it was read. */
  readonly docs?: string
  readonly settings: Schema
  readonly baseUrl?: (settings: z.output<Schema>) => string
  readonly headers?: (settings: z.output<Schema>) => Readonly<Record<string, string>>
  /** Private and loopback addresses are refused unless this says otherwise. */
  readonly allowPrivateNetwork?: (settings: z.output<Schema>) => boolean
  readonly limits: (settings: z.output<Schema>) => readonly RateLimit[]
  readonly concurrency: (settings: z.output<Schema>) => number
  /** Milliseconds for one whole attempt. */
  readonly timeout?: (settings: z.output<Schema>) => number
  /** Adds headers over the frozen bytes, such as a signature; `at` is in milliseconds. */
  readonly sign?: (
    settings: z.output<Schema>,
    message: { readonly id: string; readonly at: number; readonly body: string },
  ) => Readonly<Record<string, string>>
  readonly actions: (settings: z.output<Schema>) => Readonly<Record<string, Action<z.output<Schema>>>>
  /** For what is not HTTP. `root` is the project's folder. */
  readonly open?: (settings: z.output<Schema>, context: { readonly root: string }) => Promise<Session>
  /** For credentials that expire; undefined when these settings have none. */
  readonly refresh?: (settings: z.output<Schema>) => Refresh | undefined
  /**
   * What the vendor's own headers say of its limits, names in lower case; `now` in milliseconds. Without it, the usual
   * headers are read (`rate-headers.ts`).
   */
  readonly readLimits?: ReadLimits
  /** For what the vendor reports by itself, after it took a record. */
  readonly callback?: Callback<z.output<Schema>>
  /** A harmless request that proves address and credentials, for `doctor`. */
  readonly probe?: (settings: z.output<Schema>) => HttpRequest
}

export function defineDestination<Schema extends z.ZodObject>(
  definition: DestinationDefinition<Schema>,
): DestinationDefinition<Schema> {
  return definition
}
