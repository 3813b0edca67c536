import type { Flavour } from './flavour.ts'

/**
 * Dead letters, and the id of the key with which they are sealed. The key's id stands apart, because it is known before the
 * first letter is, and tells a lost key from one that was never made.
 */
export function deadLetters({ integer, ordinal, strict, blob }: Flavour): readonly string[] {
  return [
    `create table ledger_key (
      singleton ${integer} not null primary key check (singleton = 1),
      key_id text not null,
      since ${integer} not null
    ) ${strict}`,

    `create table dead_letters (
      ordinal ${ordinal},
      letter_id text not null unique,
      run_id text not null references runs (run_id),
      sync text not null,
      destination text not null,
      action text not null,
      op text not null,
      change_id text not null,
      key_hash text not null,
      state text not null,
      class text not null,
      code text not null,
      attempts ${integer} not null,
      at ${integer} not null,
      expires_at ${integer} not null,
      replayed_at ${integer},
      ended_at ${integer},
      sealed ${blob},
      check ((state = 'open') = (ended_at is null)),
      check ((state = 'open') = (sealed is not null))
    ) ${strict}`,
    "create unique index dead_letters_open on dead_letters (sync, key_hash) where state = 'open'",
    "create index dead_letters_by_expiry on dead_letters (expires_at) where state = 'open'",
    'create index dead_letters_of_run on dead_letters (run_id)',
    // `erase` looks for a person in all syncs.
    'create index dead_letters_of_key on dead_letters (key_hash)',
  ]
}
