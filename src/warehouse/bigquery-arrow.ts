/**
 * Rows of Arrow's record batches as the cells of a REST answer, so that one reader (`bigquery-value.ts`) makes values of both. Types are
 * those that BigQuery sends (cloud.google.com/bigquery/docs/reference/storage, "Arrow schema details", read 2026-08); one that is not
 * known here is refused rather than guessed, and its rows are read in pages.
 */
import { type Cell, type Field, instantOf, toValue } from './bigquery-value.ts'
import type { Row } from './warehouse.ts'

/** The part of `apache-arrow` that is used: it comes with the client of the Storage Read API. */
export interface Arrow {
  readonly Type: Readonly<Record<string, unknown>>
  readonly RecordBatchReader: { from(bytes: Uint8Array): { readAll(): Iterable<RecordBatch> } }
}

interface RecordBatch {
  readonly numRows: number
  readonly schema: { readonly fields: readonly { readonly name: string }[] }
  readonly data: { readonly children: readonly Data[] }
}

/** `Data` of apache-arrow: a column, as its buffers. */
interface Data {
  readonly typeId: number
  readonly type: {
    readonly scale?: number
    readonly bitWidth?: number
    readonly unit?: number
    readonly timezone?: string | null
  }
  readonly offset: number
  readonly values: ArrayLike<number> | BigInt64Array | Uint8Array
  readonly valueOffsets: Int32Array
  readonly children: readonly Data[]
  getValid(index: number): boolean
}

type Plain = Cell['v']

/** Arrow's `DateUnit.DAY` and `TimeUnit.MICROSECOND`. */
const day = 0
const microsecond = 2

export class UnreadableRows extends Error {}

/**
 * Rows `from` to `to` of a message with its schema before it. Throws UnreadableRows when a column is missing, or of a type that is not
 * known.
 */
export class ArrowRows {
  readonly count: number
  readonly #columns: readonly { readonly field: Field; readonly at: (index: number) => Plain }[]

  constructor(arrow: Arrow, message: Uint8Array, fields: readonly Field[]) {
    const [batch, ...more] = arrow.RecordBatchReader.from(message).readAll()
    if (batch === undefined || more.length > 0) throw new UnreadableRows('a message has not one batch of rows')
    this.count = batch.numRows
    this.#columns = fields.map(field => {
      const data = batch.data.children[batch.schema.fields.findIndex(({ name }) => name === field.name)]
      if (data === undefined) throw new UnreadableRows(`the column ${field.name} did not come`)
      return { field, at: reader(arrow, data) }
    })
  }

  slice(from: number, to: number): readonly Row[] {
    return Array.from({ length: Math.min(to, this.count) - from }, (_, index) =>
      Object.fromEntries(
        this.#columns.map(({ field, at }) => [field.name, toValue({ v: at(from + index) }, field)] as const),
      ),
    )
  }
}

function reader(arrow: Arrow, data: Data): (index: number) => Plain {
  const read = readerOfType(arrow, data)
  return index => (data.getValid(index) ? read(index) : null)
}

function readerOfType({ Type, ...arrow }: Arrow, data: Data): (index: number) => Plain {
  const { typeId, type, values, valueOffsets, children, offset } = data
  switch (typeId) {
    case Type.Int:
    case Type.Float:
      return index => String(values[index])
    case Type.Bool:
      return index => String(((Number(values[(offset + index) >> 3]) >> ((offset + index) & 7)) & 1) === 1)
    case Type.Utf8:
      return texts(data, 'utf8')
    case Type.Binary:
      return texts(data, 'base64')
    case Type.Decimal:
      return index => decimalOf(values as ArrayLike<number>, index, type.bitWidth ?? 128, type.scale ?? 0)
    case Type.Date:
      if (type.unit !== day) break
      return index => new Date(Number(values[index]) * 86_400_000).toISOString().slice(0, 10)
    case Type.Timestamp: {
      if (type.unit !== microsecond) break
      const isInstant = typeof type.timezone === 'string' && type.timezone !== ''
      return index => (isInstant ? String(values[index]) : instantOf(BigInt(values[index] ?? 0)).slice(0, -1))
    }
    case Type.List: {
      const element = children[0] === undefined ? () => null : reader({ Type, ...arrow }, children[0])
      return index => {
        const [from = 0, to = 0] = [valueOffsets[index], valueOffsets[index + 1]]
        return Array.from({ length: to - from }, (_, place) => ({ v: element(from + place) }))
      }
    }
    case Type.Struct: {
      const members = children.map(child => reader({ Type, ...arrow }, child))
      return index => ({ f: members.map(member => ({ v: member(index) })) })
    }
  }
  throw new UnreadableRows(`a column has a type of Arrow that is not known here (${typeId})`)
}

/** Straight from the bytes of the column: Arrow's own reading makes a view for each. */
function texts({ values, valueOffsets }: Data, encoding: 'utf8' | 'base64'): (index: number) => string {
  const { buffer, byteOffset, byteLength } = values as Uint8Array
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return index => bytes.toString(encoding, valueOffsets[index], valueOffsets[index + 1])
}

/** Two's complement in words of 32 bits, the lowest first, scaled by a power of ten; without zeros at its end, as over REST. */
function decimalOf(words: ArrayLike<number>, index: number, bits: number, scale: number): string {
  const count = bits / 32
  let unsigned = 0n
  for (let word = count - 1; word >= 0; word -= 1)
    unsigned = (unsigned << 32n) | BigInt(words[index * count + word] ?? 0)
  const scaled = BigInt.asIntN(bits, unsigned)
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  const fraction = scale === 0 ? '' : digits.slice(-scale).replace(/0+$/, '')
  const whole = scale === 0 ? digits : digits.slice(0, -scale)
  return `${scaled < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}
