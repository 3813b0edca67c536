/** From what somebody typed, or the rows of a file, to opt-outs: which kind of identifier it is, tidied and hashed. */

import type { OptOut } from '../ledger/governance.ts'
import { hashOfOptOut } from '../ledger/opt-out-hash.ts'
import { type Normalisation, normalise } from '../project/normalisation.ts'
import type { Identifier } from '../project/policies.ts'
import type { Problem } from '../project/problem.ts'
import type { Project } from '../project/project.ts'
import { canonicalKey } from './commands/inspect.ts'
import { unknownName } from './unknown-name.ts'

/** A kind of identifier that may be opted out. */
export interface OptOutKind {
  readonly name: string
  readonly isKey: boolean
  readonly normalisation: Normalisation
  readonly region?: string
}

type Kinds = Pick<Project, 'identity'>

/** The kind of a person's own key. */
export function keyKind({ identity }: Kinds): OptOutKind {
  return { name: identity?.key ?? 'key', isKey: true, normalisation: 'trim' }
}

/** `--identifier`: an identifier of the project, or its key. Throws A8009. */
export function namedKind(project: Kinds, name: string): OptOutKind {
  const key = keyKind(project)
  if (name === key.name || name === 'key') return key
  const identifiers = project.identity?.identifiers ?? []
  const found = identifiers.find(identifier => identifier.name === name)
  if (found !== undefined) return kindOf(found)
  const names = [key.name, ...identifiers.map(identifier => identifier.name)]
  throw unknownName(`the project has no identifier "${name}"`, name, names, 'identifiers')
}

/**
 * The kind that a value can only be: what has an @ is an e-mail address, what begins with a plus a phone number, anything
 * else a key. A problem when the project has no identifier, or several, for it: an opt-out that nothing is compared with
 * would be none.
 */
export function guessKind(project: Kinds, value: string): OptOutKind | Problem {
  const normalisations = looksLike(value)
  if (normalisations === undefined) return keyKind(project)
  const plain = (project.identity?.identifiers ?? []).filter(({ hashOf }) => hashOf === undefined)
  const [only, ...others] = plain.filter(({ normalise: how }) => normalisations.includes(how))
  if (only !== undefined && others.length === 0) return kindOf(only)
  const what = normalisations.includes('e164') ? 'a phone number' : 'an e-mail address'
  const names = [only, ...others].flatMap(identifier => identifier?.name ?? [])
  const key = keyKind(project).name
  return only === undefined
    ? {
        code: 'A8013',
        message: `this looks like ${what}, and the project has no identifier that is normalised as one`,
        help: `declare one under identity in activate.yml; if it is a person's key, say --identifier ${key}`,
      }
    : { code: 'A8013', message: `this may be any of ${names.join(', ')}`, help: 'say which with --identifier' }
}

function looksLike(value: string): readonly Normalisation[] | undefined {
  if (value.includes('@')) return ['email', 'gmail']
  return value.trim().startsWith('+') ? ['e164'] : undefined
}

function kindOf({ name, normalise: normalisation, region }: Identifier): OptOutKind {
  return { name, isKey: false, normalisation, ...(region === undefined ? {} : { region }) }
}

/** The opt-out of one value, or what keeps it from being one; the value itself is in neither. */
export function optOutOf(kind: OptOutKind, value: string, channel: string | undefined): OptOut | Problem {
  const { name, normalisation, region } = kind
  const tidied = normalise(kind.isKey ? canonicalKey(value.trim()) : value, normalisation, region)
  const isAddress = normalisation === 'email' || normalisation === 'gmail'
  if (tidied === undefined || (isAddress && !/^[^@\s]+@[^@\s]+$/.test(tidied))) return notOne(kind, isAddress)
  return { kind: name, hash: hashOfOptOut(name, tidied), ...(channel === undefined ? {} : { channel }) }
}

function notOne({ name, normalisation, region }: OptOutKind, isAddress: boolean): Problem {
  if (isAddress)
    return { code: 'A8013', message: `this is not an e-mail address`, help: 'write one such as ada@example.com' }
  if (normalisation !== 'e164') return { code: 'A8013', message: `this ${name} is blank`, help: 'give a value' }
  const national = region === undefined ? '' : `, or as it is dialled in ${region}`
  return {
    code: 'A8013',
    message: 'this is not a phone number',
    help: `write it with its country code, such as +447700900123${national}`,
  }
}

/** `--channel`: one that some sync or policy uses. Throws A8009: no message would ever ask about another. */
export function knownChannel({ syncs, policies }: Pick<Project, 'syncs' | 'policies'>, channel: string): string {
  const used = [
    ...syncs.map(sync => sync.channel),
    ...policies.caps.map(cap => cap.channel),
    ...(policies.quietHours?.channels ?? []),
  ]
  const channels = [...new Set(used.filter(name => name !== undefined))].sort()
  if (channels.includes(channel)) return channel
  const message = `no sync and no policy of the project uses the channel "${channel}"`
  throw unknownName(message, channel, channels, 'channels')
}
