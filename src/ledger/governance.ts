/**
 * What people decided beside the project's files, as the ledger keeps it: who opted out, what is on hold, which plan was
 * approved, and the trail of all of it. Part of the port in `ledger.ts`; instants are milliseconds since the epoch.
 */

/** Who did something, and when. */
export interface Deed {
  /** A person's name or address, as they gave it. */
  readonly actor: string
  readonly at: number
}

/** One person's identifier that may not be contacted; its value is known by hash alone. */
export interface OptOut {
  /** Name of the identifier (`email`), or of the person's key. */
  readonly kind: string
  /** Lower-case hex SHA-256 of `<kind>:<normalised value>`. */
  readonly hash: string
  /** Undefined means every channel. */
  readonly channel?: string
}

export interface Suppression extends OptOut, Deed {
  /** Counts up with every opt-out ever made. */
  readonly ordinal: number
  /** `suppression.<reason>`. */
  readonly reason: string
}

export interface Hold extends Deed {
  /** `all`, `sync:<name>` or `destination:<name>`. */
  readonly scope: string
  readonly reason: string
}

export interface Approval extends Deed {
  readonly planHash: string
  readonly sync: string
  readonly reason: string
}

export const auditActions = [
  ...(['suppress', 'lift', 'hold', 'release', 'approve', 'override', 'held', 'resolve', 'replay', 'drop'] as const),
  ...(['erase', 'prune'] as const),
] as const
export type AuditAction = (typeof auditActions)[number]

export interface NewAuditEntry extends Deed {
  readonly action: AuditAction
  /** What it was done to, such as `sync:at_risk` or a kind of identifier; never a person's value. */
  readonly subject: string
  readonly detail: Readonly<Record<string, unknown>>
}

export interface AuditEntry extends NewAuditEntry {
  /** Counts from 1 without gaps. */
  readonly ordinal: number
  readonly previousHash: string
  /** SHA-256 over everything else in the entry, the previous hash included. */
  readonly hash: string
}

export type AuditVerdict =
  | { readonly kind: 'ok'; readonly entries: number; readonly head: string }
  /** The first entry that is not as it was written. */
  | { readonly kind: 'broken'; readonly ordinal: number; readonly because: string }

export interface Governance {
  /** Opts out all of them or none; those that are in force already stay as they are. Effective when it resolves. */
  suppress(
    optOuts: readonly OptOut[],
    deed: Deed & { readonly reason: string },
  ): Promise<{ readonly added: number; readonly already: number }>
  /** Lifts what is in force for exactly these kinds, hashes and channels; returns how many. */
  liftSuppression(optOuts: readonly OptOut[], deed: Deed): Promise<number>
  /** Those in force with a higher ordinal than `after`, in its order, in chunks. */
  suppressions(range?: { readonly after?: number }): AsyncIterable<readonly Suppression[]>
  /** The highest ordinal there is, lifted or not; 0 before the first. */
  newestSuppression(): Promise<number>

  /** The hold on this scope that is in force afterwards, and whether it was there already. */
  hold(hold: Hold): Promise<{ readonly hold: Hold; readonly already: boolean }>
  /** The hold that ended, or undefined when the scope was not on hold. */
  releaseHold(scope: string, deed: Deed & { readonly reason: string }): Promise<Hold | undefined>
  /** Those in force, in the order in which they were made. */
  holds(): Promise<readonly Hold[]>

  /** `detail` goes into the audit trail beside the approval itself. */
  approve(approval: Approval, detail: Readonly<Record<string, unknown>>): Promise<void>
  /** The newest approval of exactly this plan. */
  approvalOf(planHash: string): Promise<Approval | undefined>

  /**
   * How many entries the audit trail has. Every opt-out, lift, hold and release adds one with its own commit, so while this
   * stays the same, so do they. Cheap: asked before each send.
   */
  auditLength(): Promise<number>
  /** Newest first. */
  audit(filter: { readonly limit: number }): Promise<readonly AuditEntry[]>
  /** Computes every hash anew, and compares the end of the chain with the head record that is kept beside it. */
  verifyAudit(): Promise<AuditVerdict>
}
