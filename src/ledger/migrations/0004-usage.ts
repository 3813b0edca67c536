import type { Flavour } from './flavour.ts'

/**
 * Whose turn it is to use a destination's account, and how much of its limits is used: `requests` left within the time
 * before `at`, counted for the window of `span` milliseconds.
 */
export function usage({ integer, strict }: Flavour): readonly string[] {
  return [
    `create table usage_turns (
      account text not null primary key,
      token text,
      until ${integer} not null,
      reserved ${integer},
      wanted_by text,
      wanted_at ${integer} not null,
      paused_until ${integer} not null
    ) ${strict}`,

    `create table usage (
      account text not null,
      span ${integer} not null,
      at ${integer} not null,
      requests ${integer} not null,
      primary key (account, span, at)
    ) ${strict}`,
  ]
}
