import type { Flavour } from './flavour.ts'

/** Tombstones of people who were erased, by keyed hash, and when each kind of housekeeping was last done. */
export function erasures({ integer, strict }: Flavour): readonly string[] {
  return [
    `create table erasures (
      hash text not null primary key,
      bucket text not null,
      key_id text not null,
      state text not null check (state in ('removing', 'erased')),
      erased_at ${integer} not null,
      expires_at ${integer} not null
    ) ${strict}`,

    `create table housekeeping (
      task text not null primary key,
      done_at ${integer} not null
    ) ${strict}`,
  ]
}
