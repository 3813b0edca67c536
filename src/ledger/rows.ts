/** The ledger's rows and what they mean. */
import type { ChangeException, Holder, Lease, Members, RecordedException, Request, Run, RunStatus } from './ledger.ts'
import type { RequestState } from './request.ts'

export interface LeaseRow {
  scope: string
  host: string
  pid: number
  token: string
  fence: number
  acquired_at: number
  expires_at: number
  released: 0 | 1
}

export interface RunRow {
  run_id: string
  sync: string
  as_of: number
  nominal_at: number | null
  started_at: number
  finished_at: number | null
  status: RunStatus
  fence: number
  plan_hash: string | null
  plan: string | null
  outcomes: string | null
  requests: number | null
  retries: number | null
  error_code: string | null
  error_message: string | null
  settled: 0 | 1
  outbox: string | null
  mapping: string | null
}

export interface RequestRow {
  request_id: string
  run_id: string
  destination: string
  action: string
  seq_from: number | null
  seq_to: number | null
  seqs: string | null
  state: RequestState
  attempt: number
  fence: number
  idempotency_key: string
  body_hash: string
  first_sent_at: number | null
  next_attempt_at: number | null
  changed_at: number
  error_code: string | null
  error_message: string | null
  job_reference: string | null
  accepted_at: number | null
}

export interface ChangeRow {
  request_id: string
  seq: number
  key_hash: string
  change_id: string
  state: ChangeException['state']
  code: string
  message: string
  at: number
}

export function holderOf({ host, pid, token }: Holder): Holder {
  return { host, pid, token }
}

/** `ahead`: milliseconds by which the clock of the rows is ahead of the caller's. */
export function leaseOf(row: LeaseRow, ahead: number): Lease {
  return { scope: row.scope, holder: holderOf(row), fence: row.fence, expiresAt: row.expires_at - ahead }
}

export function runOf(row: RunRow): Run {
  return {
    runId: row.run_id,
    sync: row.sync,
    asOf: row.as_of,
    startedAt: row.started_at,
    status: row.status,
    fence: row.fence,
    settled: row.settled === 1,
    ...errorOf(row),
    ...present({
      nominalAt: row.nominal_at,
      finishedAt: row.finished_at,
      planHash: row.plan_hash,
      requests: row.requests,
      retries: row.retries,
      outbox: row.outbox,
      mapping: row.mapping,
      plan: row.plan === null ? null : JSON.parse(row.plan),
      outcomes: row.outcomes === null ? null : JSON.parse(row.outcomes),
    }),
  }
}

/** The columns of those properties of a run that are given; undefined clears a column. */
export function runColumns(change: Partial<Omit<Run, 'runId' | 'sync'>>): Partial<RunRow> {
  const columns: Partial<RunRow> = {}
  if (change.asOf !== undefined) columns.as_of = change.asOf
  if (change.startedAt !== undefined) columns.started_at = change.startedAt
  if (change.status !== undefined) columns.status = change.status
  if (change.fence !== undefined) columns.fence = change.fence
  if (change.settled !== undefined) columns.settled = change.settled ? 1 : 0
  if ('nominalAt' in change) columns.nominal_at = change.nominalAt ?? null
  if ('finishedAt' in change) columns.finished_at = change.finishedAt ?? null
  if ('planHash' in change) columns.plan_hash = change.planHash ?? null
  if ('plan' in change) columns.plan = change.plan === undefined ? null : JSON.stringify(change.plan)
  if ('outcomes' in change) columns.outcomes = change.outcomes === undefined ? null : JSON.stringify(change.outcomes)
  if ('requests' in change) columns.requests = change.requests ?? null
  if ('retries' in change) columns.retries = change.retries ?? null
  if ('outbox' in change) columns.outbox = change.outbox ?? null
  if ('mapping' in change) columns.mapping = change.mapping ?? null
  if ('error' in change) {
    columns.error_code = storableOrNull(change.error?.code)
    columns.error_message = storableOrNull(change.error?.message)
  }
  return columns
}

export function requestOf(row: RequestRow): Request {
  return {
    requestId: row.request_id,
    runId: row.run_id,
    destination: row.destination,
    action: row.action,
    members: membersOf(row),
    state: row.state,
    attempt: row.attempt,
    fence: row.fence,
    idempotencyKey: row.idempotency_key,
    bodyHash: row.body_hash,
    ...errorOf(row),
    ...present({ firstSentAt: row.first_sent_at, nextAttemptAt: row.next_attempt_at }),
    ...jobOf(row),
  }
}

function jobOf({ job_reference: reference, accepted_at: acceptedAt }: RequestRow): Pick<Request, 'job'> {
  return reference === null || acceptedAt === null ? {} : { job: { reference, acceptedAt } }
}

function membersOf({ seq_from: from, seq_to: to, seqs }: RequestRow): Members {
  if (seqs !== null) return { seqs: JSON.parse(seqs) }
  if (from === null || to === null) throw new TypeError('a request without members')
  return { from, to }
}

export function memberColumns(members: Members): Pick<RequestRow, 'seq_from' | 'seq_to' | 'seqs'> {
  return 'seqs' in members
    ? { seq_from: null, seq_to: null, seqs: JSON.stringify(members.seqs) }
    : { seq_from: members.from, seq_to: members.to, seqs: null }
}

export function exceptionOf(row: ChangeRow): RecordedException {
  const { seq, state, code, message } = row
  return { requestId: row.request_id, seq, changeId: row.change_id, state, code, message }
}

function errorOf(row: { error_code: string | null; error_message: string | null }) {
  return row.error_code === null ? {} : { error: { code: row.error_code, message: row.error_message ?? '' } }
}

type Present<Columns> = { -readonly [Name in keyof Columns]?: NonNullable<Columns[Name]> }

/** Leaves out what is NULL in the table, so that an absent property is absent. */
function present<Columns extends Record<string, unknown>>(columns: Columns): Present<Columns> {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null)) as Present<Columns>
}

/** What every engine gives back as it took it: no NUL, no half of a surrogate pair. What a destination says may hold both. */
export function storable(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '')
}

export function storableOrNull(text: string | undefined): string | null {
  return text === undefined ? null : storable(text)
}
