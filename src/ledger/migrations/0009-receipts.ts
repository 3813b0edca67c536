import type { Flavour } from './flavour.ts'

/**
 * Under which id a destination took a change, and what it reported of that id afterwards. A report may come before the
 * change is concluded, so neither refers to the other. People are known by keyed hash, and reports hold no text.
 */
export function receipts({ integer, ordinal, strict }: Flavour): readonly string[] {
  return [
    `create table receipts (
      destination text not null,
      reference text not null,
      request_id text not null,
      seq ${integer} not null,
      change_id text not null,
      key_hash text not null,
      at ${integer} not null,
      primary key (destination, reference)
    ) ${strict}`,
    'create index receipts_of_request on receipts (request_id)',
    'create index receipts_of_key on receipts (key_hash)',

    `create table reports (
      ordinal ${ordinal},
      destination text not null,
      reference text not null,
      outcome text not null,
      final ${integer} not null check (final in (0, 1)),
      code text,
      at ${integer} not null,
      unique (destination, reference, outcome)
    ) ${strict}`,
  ]
}
