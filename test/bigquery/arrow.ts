/** Rows of ZetaSQL as BigQuery's Storage Read API sends them: messages of Arrow's stream format, by Arrow's own writer. */
import * as arrow from 'apache-arrow'
import type { ZetaColumn, ZetaResult, ZetaType, ZetaValue } from '../engines/zetasql.ts'
import { cellOf, isNull } from './values.ts'

/** One message each, as `ArrowSchema.serialized_schema` and `ArrowRecordBatch.serialized_record_batch` hold them. */
export interface ArrowMessages {
  readonly schema: Buffer
  batch(from: number, to: number): Buffer
}

/** Of each type, as cloud.google.com/bigquery/docs/reference/storage has it under "Arrow schema details" (read 2026-08). */
function typeOf({ typeKind, arrayType, structType }: ZetaType): arrow.DataType {
  if (arrayType) return new arrow.List(new arrow.Field('item', typeOf(arrayType.elementType), true))
  if (structType)
    return new arrow.Struct(
      structType.field.map(({ fieldName, fieldType }) => new arrow.Field(fieldName, typeOf(fieldType), true)),
    )
  switch (typeKind) {
    case 'TYPE_INT64':
      return new arrow.Int64()
    case 'TYPE_DOUBLE':
      return new arrow.Float64()
    case 'TYPE_BOOL':
      return new arrow.Bool()
    case 'TYPE_BYTES':
      return new arrow.Binary()
    case 'TYPE_DATE':
      return new arrow.DateDay()
    case 'TYPE_DATETIME':
      return new arrow.TimestampMicrosecond()
    case 'TYPE_TIMESTAMP':
      return new arrow.TimestampMicrosecond('UTC')
    case 'TYPE_NUMERIC':
      return new arrow.Decimal(9, 38, 128)
    case 'TYPE_BIGNUMERIC':
      return new arrow.Decimal(38, 76, 256)
    case 'TYPE_STRING':
    case 'TYPE_JSON':
      return new arrow.Utf8()
    default:
      throw new Error(`no Arrow type of ${typeKind}`)
  }
}

function dataOf(type: ZetaType, values: readonly (ZetaValue | undefined)[]): arrow.Data {
  const { arrayType, structType } = type
  const valid = validity(values)
  const shared = { length: values.length, nullBitmap: valid.bits, nullCount: valid.nulls }
  if (arrayType) {
    const lists = values.map(value => (value?.arrayValue as { element?: ZetaValue[] } | undefined)?.element ?? [])
    const child = dataOf(arrayType.elementType, lists.flat())
    return arrow.makeData({ type: typeOf(type) as arrow.List, valueOffsets: offsets(lists), child, ...shared })
  }
  if (structType) {
    const children = structType.field.map(({ fieldType }, index) =>
      dataOf(
        fieldType,
        values.map(value => (value?.structValue as { field?: ZetaValue[] } | undefined)?.field?.[index]),
      ),
    )
    return arrow.makeData({ type: typeOf(type) as arrow.Struct, children, ...shared })
  }
  return scalars(type, values, shared)
}

interface Shared {
  readonly length: number
  readonly nullBitmap: Uint8Array
  readonly nullCount: number
}

function scalars(zeta: ZetaType, values: readonly (ZetaValue | undefined)[], shared: Shared): arrow.Data {
  const type = typeOf(zeta)
  // Integers, whatever they count, are written as they are: Arrow's own builders take milliseconds as doubles.
  const wholes = (of: (value: ZetaValue) => bigint) =>
    BigInt64Array.from(values, value => (value === undefined || isNull(value) ? 0n : of(value)))
  if (arrow.DataType.isInt(type))
    return arrow.makeData({
      type: new arrow.Int64(),
      data: wholes(value => BigInt(String(value.int64Value))),
      ...shared,
    })
  if (arrow.DataType.isTimestamp(type)) {
    const data = wholes(value => microseconds(String(cellOf(value, zeta))))
    return arrow.makeData({ type: type as arrow.TimestampMicrosecond, data, ...shared })
  }
  if (arrow.DataType.isDate(type)) {
    const data = Int32Array.from(values, value => Number(value?.dateValue ?? 0))
    return arrow.makeData({ type: type as arrow.DateDay, data, ...shared })
  }
  if (arrow.DataType.isDecimal(type)) return decimals(type, values, shared)
  const plain = values.map(value => (value === undefined || isNull(value) ? null : plainOf(value)))
  return arrow.vectorFromArray(plain as (string | null)[], type as arrow.Utf8).data[0] as arrow.Data
}

function plainOf(value: ZetaValue): unknown {
  if (value.bytesValue !== undefined && value.bytesValue !== null) return new Uint8Array(value.bytesValue as Buffer)
  return value.stringValue ?? value.jsonValue ?? value.doubleValue ?? value.boolValue
}

/** Two's complement, the lowest byte first: ZetaSQL's bytes with the sign drawn out to the whole width. */
function decimals(type: arrow.Decimal, values: readonly (ZetaValue | undefined)[], shared: Shared): arrow.Data {
  const width = type.bitWidth / 8
  const bytes = new Uint8Array(values.length * width)
  for (const [index, value] of values.entries()) {
    const written = (value?.numericValue ?? value?.bignumericValue) as Buffer | null | undefined
    if (written === null || written === undefined) continue
    const sign = (written.at(-1) ?? 0) >= 0x80 ? 0xff : 0
    bytes.fill(sign, index * width, (index + 1) * width)
    bytes.set(written, index * width)
  }
  return arrow.makeData({ type, data: new Uint32Array(bytes.buffer), ...shared })
}

/** Of `1760000000000000`, or of `2026-03-01T12:00:00.5` without a zone. */
function microseconds(text: string): bigint {
  if (/^-?\d+$/.test(text)) return BigInt(text)
  const [moment = '', fraction = ''] = text.split('.')
  return BigInt(Date.parse(`${moment}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'))
}

function validity(values: readonly (ZetaValue | undefined)[]) {
  const bits = new Uint8Array(Math.ceil(values.length / 64) * 8)
  let nulls = 0
  for (const [index, value] of values.entries()) {
    if (isNull(value)) nulls += 1
    else bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
  }
  return { bits, nulls }
}

function offsets(lists: readonly (readonly unknown[])[]): Int32Array {
  const ends = new Int32Array(lists.length + 1)
  for (const [index, list] of lists.entries()) ends[index + 1] = (ends[index] ?? 0) + list.length
  return ends
}

export function arrowMessages({ columns, rows }: ZetaResult): ArrowMessages {
  const fields = columns.map(
    ({ name, type }, index) => new arrow.Field(name === '' ? `f${index}_` : name, typeOf(type), true, metadataOf(type)),
  )
  const schema = new arrow.Schema(fields)
  const stream = (from: number, to: number) => {
    const part = rows.slice(from, to)
    const children = columns.map(({ type }: ZetaColumn, index) =>
      dataOf(
        type,
        part.map(row => row[index]),
      ),
    )
    const data = arrow.makeData({ type: new arrow.Struct(fields), length: part.length, nullCount: 0, children })
    return Buffer.from(arrow.tableToIPC(new arrow.Table(schema, new arrow.RecordBatch(schema, data)), 'stream'))
  }
  const head = schemaBytes(stream(0, 0))
  return {
    schema: stream(0, 0).subarray(0, head),
    batch: (from, to) => {
      const whole = stream(from, to)
      return whole.subarray(schemaBytes(whole), whole.length - endOfStream)
    },
  }
}

/** A continuation mark and a length of zero. */
const endOfStream = 8

/** A message is a continuation mark, the length of what describes it, and that; a schema has no body. */
function schemaBytes(stream: Buffer): number {
  return 8 + stream.readInt32LE(4)
}

function metadataOf({ typeKind }: ZetaType): Map<string, string> {
  const name = { TYPE_JSON: 'json', TYPE_DATETIME: 'datetime' }[typeKind]
  return new Map(name === undefined ? [] : [['ARROW:extension:name', `google:sqlType:${name}`]])
}
