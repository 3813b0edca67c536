import type { Flavour } from './flavour.ts'

/**
 * The first tables. Instants are milliseconds since the epoch. Keys are NOT NULL text, because SQLite lets a bare
 * primary key be NULL, more than once.
 */
export function tables({ integer, ordinal, strict }: Flavour): readonly string[] {
  return [
    `create table leases (
      scope text not null primary key,
      host text not null,
      pid ${integer} not null,
      token text not null,
      fence ${integer} not null,
      acquired_at ${integer} not null,
      expires_at ${integer} not null,
      released ${integer} not null default 0 check (released in (0, 1))
    ) ${strict}`,

    `create table runs (
      ordinal ${ordinal},
      run_id text not null unique,
      sync text not null,
      as_of ${integer} not null,
      nominal_at ${integer},
      started_at ${integer} not null,
      finished_at ${integer},
      status text not null,
      fence ${integer} not null,
      plan_hash text,
      plan text,
      outcomes text,
      requests ${integer},
      retries ${integer},
      error_code text,
      error_message text,
      settled ${integer} not null default 0 check (settled in (0, 1)),
      outbox text,
      mapping text
    ) ${strict}`,
    'create index runs_of_sync on runs (sync, started_at)',
    'create index runs_by_start on runs (started_at)',
    'create index runs_unsettled on runs (sync) where settled = 0',

    `create table requests (
      ordinal ${ordinal},
      request_id text not null unique,
      run_id text not null references runs (run_id),
      destination text not null,
      action text not null,
      seq_from ${integer},
      seq_to ${integer},
      seqs text,
      state text not null,
      attempt ${integer} not null,
      fence ${integer} not null,
      idempotency_key text not null,
      body_hash text not null,
      first_sent_at ${integer},
      next_attempt_at ${integer},
      changed_at ${integer} not null,
      error_code text,
      error_message text,
      check ((seqs is null and seq_from <= seq_to) or (seqs is not null and seq_from is null and seq_to is null))
    ) ${strict}`,
    'create index requests_of_run on requests (run_id)',

    `create table request_changes (
      ordinal ${ordinal},
      request_id text not null references requests (request_id),
      seq ${integer} not null,
      key text not null,
      change_id text not null,
      state text not null,
      code text not null,
      message text not null,
      at ${integer} not null,
      unique (request_id, seq)
    ) ${strict}`,
    'create index request_changes_of_key on request_changes (key)',

    `create table due_times (
      sync text not null,
      nominal_at ${integer} not null,
      claimed_at ${integer} not null,
      finished_at ${integer},
      run_id text,
      primary key (sync, nominal_at)
    ) ${strict}`,

    `create table schedules (
      sync text not null,
      schedule text not null,
      seen_at ${integer} not null,
      primary key (sync, schedule)
    ) ${strict}`,
  ]
}
