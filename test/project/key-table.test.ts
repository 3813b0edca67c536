import { expect, test } from 'vitest'
import { z } from 'zod'
import { duration } from '../../src/project/duration.ts'
import { keyRows, keyTable } from '../../src/project/key-table.ts'

const rowsOf = (schema: z.ZodType) => keyRows(z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }))
const pathsOf = (schema: z.ZodType) => rowsOf(schema).map(({ path }) => path)

test('lists keys at every depth: of blocks, of names of your own, of the items of lists', () => {
  const inner = z.strictObject({ a: z.string() })
  expect(pathsOf(z.object({ block: inner }))).toEqual(['block', 'block.a'])
  expect(pathsOf(z.object({ named: z.record(z.string(), inner) }))).toEqual(['named', 'named.<name>.a'])
  expect(pathsOf(z.object({ list: z.array(inner) }))).toEqual(['list', 'list[].a'])
})

test('names a default as it is written in the file, and what is required', () => {
  const [wait, must] = rowsOf(z.object({ wait: duration().prefault('30s'), must: z.int() }))
  expect(wait).toMatchObject({ required: false, fallback: '"30s"' })
  expect(must).toMatchObject({ required: true, type: 'integer' })
})

test('tells alternatives apart by their type', () => {
  const schema = z.object({
    store: z.discriminatedUnion('type', [
      z.object({ type: z.literal('disk'), path: z.string() }),
      z.object({ type: z.literal('cloud'), bucket: z.string() }),
    ]),
  })
  expect(rowsOf(schema).map(({ path, variant }) => [path, variant])).toEqual([
    ['store', undefined],
    ['store.type', 'disk'],
    ['store.path', 'disk'],
    ['store.type', 'cloud'],
    ['store.bucket', 'cloud'],
  ])
})

test('a key that alone makes a form is a choice, and not required', () => {
  const schema = z.object({
    test: z.union([z.object({ one: z.string() }), z.object({ two: z.string(), by: z.string() })]),
  })
  expect(rowsOf(schema).map(({ path, required }) => [path, required])).toEqual([
    ['test', true],
    ['test.one', false],
    ['test.two', true],
    ['test.by', true],
  ])
})

test('refers to a block that was listed before', () => {
  const block = z.object({ a: z.string(), b: z.string() })
  const rows = rowsOf(z.object({ first: block, second: block.describe('Another one') }))
  expect(rows.map(({ path }) => path)).toEqual(['first', 'first.a', 'first.b', 'second'])
  expect(rows.at(-1)?.meaning).toBe('Another one. Keys as under `first`.')
})

test('a bar in a meaning does not end the cell', () => {
  expect(keyTable(rowsOf(z.object({ a: z.string().describe('x | y') })))).toContain('x \\| y')
})
