/** ZetaSQL's values as BigQuery's REST answers write them, and what load jobs and parameters bring as ZetaSQL's. */
import { typeOf, type ZetaColumn, type ZetaType, type ZetaValue } from '../engines/zetasql.ts'

const kinds: Readonly<Record<string, string>> = {
  STRING: 'STRING',
  INT64: 'INT64',
  INTEGER: 'INT64',
  FLOAT64: 'DOUBLE',
  FLOAT: 'DOUBLE',
  BOOL: 'BOOL',
  BOOLEAN: 'BOOL',
  TIMESTAMP: 'TIMESTAMP',
  DATE: 'DATE',
  DATETIME: 'DATETIME',
  JSON: 'JSON',
  NUMERIC: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BYTES: 'BYTES',
}

export function typeNamed(name: string): ZetaType {
  const kind = kinds[name.replace(/\(.*$/s, '').trim().toUpperCase()]
  if (kind === undefined) throw new Error(`no type ${name}`)
  return typeOf(kind)
}

/** REST `TableFieldSchema`. */
export function fieldOf({ name, type }: ZetaColumn): object {
  const { arrayType, structType, typeKind } = type
  if (arrayType) return { ...fieldOf({ name, type: arrayType.elementType }), mode: 'REPEATED' }
  if (structType) {
    const fields = structType.field.map(({ fieldName, fieldType }) => fieldOf({ name: fieldName, type: fieldType }))
    return { name, type: 'RECORD', mode: 'NULLABLE', fields }
  }
  const kind = typeKind.replace('TYPE_', '')
  const legacy = { INT64: 'INTEGER', DOUBLE: 'FLOAT', BOOL: 'BOOLEAN' }[kind] ?? kind
  return { name, type: legacy, mode: 'NULLABLE' }
}

/** The member of `ValueProto` that is set; undefined for NULL. */
function memberOf(value: ZetaValue): readonly [string, unknown] | undefined {
  return Object.entries(value).find(([name, member]) => name !== 'value' && member !== null && member !== undefined)
}

export function isNull(value: ZetaValue | undefined): boolean {
  return value === undefined || memberOf(value) === undefined
}

/** REST: a cell's `v`. */
export function cellOf(value: ZetaValue | undefined, type: ZetaType): unknown {
  const [name, member] = (value === undefined ? undefined : memberOf(value)) ?? []
  switch (name) {
    case undefined:
      return null
    case 'boolValue':
    case 'stringValue':
    case 'int64Value':
    case 'jsonValue':
      return String(member)
    case 'doubleValue':
      return String(member).replace(/^(-?)Infinity$/, '$1Inf')
    case 'bytesValue':
      return Buffer.from(member as Buffer).toString('base64')
    case 'dateValue':
      return new Date(Number(member) * 86_400_000).toISOString().slice(0, 10)
    case 'timestampValue':
      return microsecondsOf(member as { readonly seconds?: string; readonly nanos?: number })
    case 'datetimeValue':
      return datetimeOf(member as { readonly bitFieldDatetimeSeconds?: string; readonly nanos?: number })
    case 'numericValue':
      return decimalOf(member as Buffer, 9)
    case 'bignumericValue':
      return decimalOf(member as Buffer, 38)
    case 'arrayValue': {
      const { element = [] } = member as { readonly element?: readonly ZetaValue[] }
      return element.map(each => ({ v: cellOf(each, type.arrayType?.elementType ?? type) }))
    }
    case 'structValue': {
      const { field = [] } = member as { readonly field?: readonly ZetaValue[] }
      return { f: field.map((each, index) => ({ v: cellOf(each, type.structType?.field[index]?.fieldType ?? type) })) }
    }
    default:
      throw new Error(`no REST form of ${name}`)
  }
}

function microsecondsOf({ seconds = '0', nanos = 0 }: { readonly seconds?: string; readonly nanos?: number }): string {
  return String(BigInt(seconds) * 1_000_000n + BigInt(Math.trunc(nanos / 1000)))
}

/** Bits, from the lowest: 6 of seconds, 6 of minutes, 5 of hours, 5 of days, 4 of months, 14 of years. */
function datetimeOf(value: { readonly bitFieldDatetimeSeconds?: string; readonly nanos?: number }): string {
  let bits = BigInt(value.bitFieldDatetimeSeconds ?? '0')
  const take = (width: bigint) => {
    const part = bits & ((1n << width) - 1n)
    bits >>= width
    return String(part)
  }
  const [second, minute, hour, day, month, year] = [6n, 6n, 5n, 5n, 4n, 14n].map(take)
  const two = (part = '') => part.padStart(2, '0')
  const fraction =
    value.nanos === undefined || value.nanos === 0 ? '' : `.${String(value.nanos / 1000).padStart(6, '0')}`
  return `${(year ?? '').padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}${fraction}`
}

/** Two's complement, the lowest byte first, scaled by a power of ten. */
function decimalOf(bytes: Buffer, scale: number): string {
  const buffer = Buffer.from(bytes)
  const unsigned = BigInt(`0x${Buffer.from(buffer).reverse().toString('hex') || '0'}`)
  const scaled = BigInt.asIntN(buffer.length * 8, unsigned)
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  const fraction = digits.slice(-scale).replace(/0+$/, '')
  return `${scaled < 0n ? '-' : ''}${digits.slice(0, -scale)}${fraction === '' ? '' : `.${fraction}`}`
}

/** A parameter's text, or a member of a loaded line, as a value of a type. Throws for what BigQuery would refuse. */
export function readValue(given: unknown, { typeKind }: ZetaType): ZetaValue {
  if (given === null || given === undefined) return {}
  const text = String(given)
  switch (typeKind) {
    case 'TYPE_STRING':
      return { stringValue: text }
    case 'TYPE_INT64':
      if (!/^-?\d+$/.test(text)) throw new Error(`Could not convert value to integer: ${text}`)
      return { int64Value: text }
    case 'TYPE_DOUBLE':
      return { doubleValue: Number(text) }
    case 'TYPE_BOOL':
      return { boolValue: text === 'true' }
    case 'TYPE_DATE':
      return { dateValue: Date.parse(`${text}T00:00:00Z`) / 86_400_000 }
    case 'TYPE_TIMESTAMP':
      return { timestampValue: timestampOf(text) }
    case 'TYPE_JSON':
      return { jsonValue: JSON.stringify(given) }
    default:
      throw new Error(`no value of ${typeKind}`)
  }
}

/** Microseconds beyond those that `Date` knows are kept. */
function timestampOf(text: string): { readonly seconds: string; readonly nanos: number } {
  const [, moment = '', fraction = '', zone = 'Z'] =
    /^([^.Z+]*?)(?:\.(\d+))?(Z|[+-]\d{2}(?::?\d{2})?)?$/.exec(text) ?? []
  const whole = /T\d{2}:\d{2}$/.test(moment) ? `${moment}:00` : /T/.test(moment) ? moment : `${moment}T00:00:00`
  const offset = /^[+-]\d{2}$/.test(zone) ? `${zone}:00` : zone
  const seconds = Date.parse(`${whole}${offset}`) / 1000
  if (!Number.isInteger(seconds)) throw new Error(`Could not parse '${text}' as a timestamp`)
  return { seconds: String(seconds), nanos: Number(fraction.slice(0, 6).padEnd(9, '0')) }
}

/** A value on its way into a column of another type, as BigQuery coerces it. */
export function coerced(value: ZetaValue, from: ZetaType, to: ZetaType): ZetaValue {
  if (isNull(value) || from.typeKind === to.typeKind) return value
  if (from.typeKind === 'TYPE_INT64' && to.typeKind === 'TYPE_DOUBLE') return { doubleValue: Number(value.int64Value) }
  throw new Error(`Value has type ${from.typeKind} which cannot be inserted into a column of type ${to.typeKind}`)
}
