/**
 * What a destination says of somebody who opted out there becomes a live suppression, as if somebody had typed
 * `activate suppress`: by the address, as the project normalises it, under every identifier that it may be. On the channels
 * that the destination is used for, because a text to one number says nothing about e-mails.
 */
import type { OptOut } from '../ledger/governance.ts'
import { hashOfOptOut } from '../ledger/opt-out-hash.ts'
import { normalise } from '../project/normalisation.ts'
import type { Identifier } from '../project/policies.ts'
import type { Project } from '../project/project.ts'

/** `suppression.opt_out`, as for a person's own word. */
export const reportedReason = 'opt_out'

/** The actor in the audit trail. */
export function reporter(destination: string): string {
  return `destination:${destination}`
}

/**
 * The opt-outs of one address. `key` is the record's that was refused for it, where that is known: in a project without
 * identities the record's key is all that a person is known by. Empty: the project knows no identifier of this kind, so
 * there is nothing that an opt-out could be compared with.
 */
export function optOutsOf(
  project: Pick<Project, 'identity'>,
  address: string,
  channels: readonly (string | undefined)[],
  key?: string,
): readonly OptOut[] {
  const kinds = identifiersFor(project, address.includes('@') ? 'email' : 'phone').flatMap(
    ({ name, normalise: how, region }) => {
      const tidied = normalise(address, how, region)
      return tidied === undefined ? [] : [{ kind: name, hash: hashOfOptOut(name, tidied) }]
    },
  )
  if (project.identity === undefined && key !== undefined)
    kinds.push({ kind: 'key', hash: hashOfOptOut('key', key.trim()) })
  return kinds.flatMap(each => channels.map(channel => (channel === undefined ? each : { ...each, channel })))
}

/** Those that an address of this kind may be a value of. */
export function identifiersFor(
  { identity }: Pick<Project, 'identity'>,
  kind: 'phone' | 'email',
): readonly Identifier[] {
  const wanted: readonly string[] = kind === 'email' ? ['email', 'gmail'] : ['e164']
  return (identity?.identifiers ?? []).filter(
    ({ normalise: how, hashOf }) => hashOf === undefined && wanted.includes(how),
  )
}

/** The channels of the syncs that send through a destination; one without a channel stands for all of them. */
export function channelsOf({ syncs }: Pick<Project, 'syncs'>, destination: string): readonly (string | undefined)[] {
  const channels = [...new Set(syncs.filter(sync => sync.destination === destination).map(sync => sync.channel))]
  return channels.length === 0 || channels.includes(undefined) ? [undefined] : channels.sort()
}
