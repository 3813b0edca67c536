/**
 * Whom a row is about, as SQL over the model's columns. Policies hold for people, and a model's key need not be one: its
 * rows may be a customer's subscriptions, or one of several reminders for each.
 */
import { isCommunication } from '../../project/communication.ts'
import type { Identity } from '../../project/policies.ts'
import type { Model, Sync } from '../../project/project.ts'
import type { Column, Dialect } from '../../warehouse/dialect.ts'
import type { MappedField } from '../mapping.ts'
import { normaliseSql } from '../normalisation.ts'

/** An identifier of the person that the model returns under its own name. */
export interface SubjectIdentifier {
  readonly name: string
  /** The normalised text, NULL when blank. */
  readonly expression: string
}

export interface Subject {
  /** The person's own key as text: the column that `identity.key` names, or the key of the row. */
  readonly person: string
  /** Whether the row names its person, be it by being one. */
  readonly knowsPerson: boolean
  /**
   * What the row is about beside the person: the other columns of its key as a JSON array text, empty when there are none.
   * Two rows of one person with one topic are the same communication.
   */
  readonly topic: string
  /** Where the communication goes, normalised; undefined for a data sync, or when no field says. */
  readonly address: string | undefined
  readonly identifiers: readonly SubjectIdentifier[]
}

export interface SubjectParams {
  readonly identity: Identity | undefined
  readonly sync: Sync
  readonly model: Pick<Model, 'key'>
  readonly columns: readonly Column[]
  readonly fields: readonly MappedField[]
  /** The canonical key of the row. */
  readonly key: string
}

export function subjectOf(dialect: Dialect, params: SubjectParams): Subject {
  const { identity, sync, model, key } = params
  const columns = new Map(params.columns.map(column => [column.name, column]))
  const text = (name: string) => {
    const column = columns.get(name)
    return column === undefined ? undefined : dialect.asText(dialect.quote(name), column)
  }
  const own = identity === undefined ? undefined : text(identity.key)
  const others = model.key.filter(name => name !== identity?.key)
  const about = own === undefined ? [] : others.flatMap(name => text(name) ?? [])
  return {
    person: own ?? key,
    knowsPerson: own !== undefined || (identity === undefined && model.key.length === 1),
    topic: about.length === 0 ? "''" : dialect.jsonTextArray(about),
    address: addressOf(dialect, params),
    identifiers: (identity?.identifiers ?? []).flatMap(({ name, normalise, region }) => {
      const expression = text(name) ?? (isAddressOf(name, sync) ? writtenAddress(dialect, params)?.text : undefined)
      return expression === undefined
        ? []
        : [{ name, expression: normaliseSql(dialect, expression, normalise, region) }]
    }),
  }
}

/** Identifiers by which channels reach people: a model may return one under another name, as the address. */
const identifierOf: Readonly<Record<string, string>> = {
  email: 'email',
  sms: 'phone',
  whatsapp: 'phone',
  push: 'device',
}

function isAddressOf(identifier: string, { channel }: Pick<Sync, 'channel'>): boolean {
  return channel !== undefined && (identifierOf[channel] ?? channel) === identifier
}

/** The fields by which messaging APIs are told where to, in the order in which they are believed. */
const addressFields = ['to', 'email', 'phone', 'address', 'device']

interface Address {
  /** As it is sent. */
  readonly text: string
  /** The column that it comes from; undefined when it is composed. */
  readonly column: string | undefined
}

function writtenAddress(dialect: Dialect, { sync, fields }: SubjectParams): Address | undefined {
  if (!isCommunication(sync)) return undefined
  const field = addressFields
    .map(name => fields.find(candidate => candidate.name === name))
    .find(found => found !== undefined)
  if (field === undefined) return undefined
  const source = sync.fields.find(({ field: name }) => name === field.name)?.from
  const column = source !== undefined && 'column' in source ? source.column : undefined
  return { text: dialect.asText(field.expression, field.column), column }
}

function addressOf(dialect: Dialect, params: SubjectParams): string | undefined {
  const address = writtenAddress(dialect, params)
  if (address === undefined) return undefined
  const { sync, identity } = params
  const identifier = identity?.identifiers.find(({ name }) => name === address.column || isAddressOf(name, sync))
  const normalisation = identifier?.normalise ?? (sync.channel === 'email' ? 'email' : 'trim')
  return normaliseSql(dialect, address.text, normalisation, identifier?.region)
}
