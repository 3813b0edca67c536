import { genesis } from '../audit-chain.ts'
import type { Flavour } from './flavour.ts'

/** Opt-outs, holds, approvals and the audit trail, with the head record that holds the end of its chain. */
export function governance({ integer, ordinal, strict, appendOnly }: Flavour): readonly string[] {
  return [
    `create table suppressions (
      ordinal ${ordinal},
      kind text not null,
      hash text not null,
      channel text,
      reason text not null,
      actor text not null,
      at ${integer} not null,
      lifted_at ${integer},
      lifted_by text,
      check ((lifted_at is null) = (lifted_by is null))
    ) ${strict}`,
    `create unique index suppressions_in_force on suppressions (hash, kind, coalesce(channel, '')) where lifted_at is null`,

    `create table holds (
      ordinal ${ordinal},
      scope text not null,
      reason text not null,
      actor text not null,
      at ${integer} not null,
      released_at ${integer},
      released_by text,
      check ((released_at is null) = (released_by is null))
    ) ${strict}`,
    'create unique index holds_in_force on holds (scope) where released_at is null',

    `create table approvals (
      ordinal ${ordinal},
      plan_hash text not null,
      sync text not null,
      actor text not null,
      reason text not null,
      at ${integer} not null
    ) ${strict}`,
    'create index approvals_of_plan on approvals (plan_hash)',

    `create table audit (
      ordinal ${integer} not null primary key,
      at ${integer} not null,
      actor text not null,
      action text not null,
      subject text not null,
      detail text not null,
      previous_hash text not null,
      hash text not null
    ) ${strict}`,
    ...appendOnly('audit'),

    `create table audit_head (
      singleton ${integer} not null primary key check (singleton = 1),
      entries ${integer} not null,
      hash text not null
    ) ${strict}`,
    `insert into audit_head (singleton, entries, hash) values (1, 0, '${genesis}')`,

    // An approval is looked for by the hash of a plan, and may be asked for by the beginning of one.
    'create index runs_by_plan on runs (plan_hash) where plan_hash is not null',
  ]
}
