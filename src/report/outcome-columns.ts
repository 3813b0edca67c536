/** Which columns of its model an outcome reads. Throws A8512 and A8513. */
import type { Outcome } from '../project/outcomes.ts'
import type { Identity } from '../project/policies.ts'
import { ActivateError, type Place } from '../project/problem.ts'
import type { Model } from '../project/project.ts'
import { suggestion } from '../project/suggest.ts'
import type { Column } from '../warehouse/dialect.ts'
import type { ReportCode } from './codes.ts'
import type { EventsParams } from './outcome-sql.ts'

export function columnsOf(
  outcome: Outcome,
  model: Pick<Model, 'name' | 'key'>,
  columns: readonly Column[],
  identity: Identity | undefined,
): Pick<EventsParams, 'unit' | 'at' | 'value' | 'per' | 'key'> {
  const named = (name: string, key: string) => {
    const column = columns.find(candidate => candidate.name === name)
    if (column !== undefined) return column
    const names = columns.map(({ name: each }) => each)
    throw refused(
      'A8512',
      `model "${model.name}" returns no column "${name}", by which outcome "${outcome.name}" is measured`,
      {
        place: outcome.places[key] ?? outcome.place,
        help: suggestion(name, names, 'columns') ?? `it returns ${names.join(', ')}`,
      },
    )
  }
  const at = typed(named(outcome.at, 'at'), ['timestamp', 'date'], outcome, 'at')
  const value = outcome.value === undefined ? undefined : named(outcome.value, 'value')
  const { per } = outcome
  const divisor = per === undefined || per === 'event' ? per : named(per.sum, 'per')
  return {
    unit: unitOf(outcome, model, columns, identity, named),
    at,
    value: value === undefined ? undefined : typed(value, ['integer', 'number'], outcome, 'value'),
    per: divisor === undefined || divisor === 'event' ? divisor : typed(divisor, ['integer', 'number'], outcome, 'per'),
    key: model.key.map(name => named(name, 'model')),
  }
}

function unitOf(
  outcome: Outcome,
  model: Pick<Model, 'name' | 'key'>,
  columns: readonly Column[],
  identity: Identity | undefined,
  named: (name: string, key: string) => Column,
): Column {
  if (outcome.unit !== undefined) return named(outcome.unit, 'unit')
  const [only, another] = model.key
  const candidates = [identity?.key, identity === undefined && another === undefined ? only : undefined]
  const found = candidates.flatMap(name => columns.find(column => column.name === name) ?? [])[0]
  if (found !== undefined) return found
  throw refused('A8512', `outcome "${outcome.name}" does not say which column of "${model.name}" holds the person`, {
    place: outcome.places.model ?? outcome.place,
    help: `name it with unit: it returns ${columns.map(({ name }) => name).join(', ')}`,
  })
}

function typed(
  column: Column,
  types: readonly Column['type'][],
  outcome: Outcome,
  key: 'at' | 'value' | 'per',
): Column {
  if (types.includes(column.type)) return column
  throw refused(
    'A8513',
    `column "${column.name}" of model "${outcome.model}" is ${column.native}, and ${key} must be of type ${types.join(' or ')}`,
    {
      place: outcome.places[key] ?? outcome.place,
      help: `cast it in the model: cast(${column.name} as ${key === 'at' ? 'timestamp' : 'double'})`,
    },
  )
}

function refused(code: ReportCode, message: string, { place, help }: { place: Place; help: string }): ActivateError {
  return new ActivateError('invalid', { code, message, place, help })
}
