import { expect, test } from 'vitest'
import { columnsOfTemplate, fieldTemplateToSql } from '../../src/plan/field-template.ts'
import type { Column } from '../../src/warehouse/dialect.ts'
import { duckdbDialect } from '../../src/warehouse/duckdb-dialect.ts'

const columns = new Map<string, Column>([['name', { name: 'name', type: 'string', native: 'VARCHAR' }]])
const read = (template: string) => fieldTemplateToSql(duckdbDialect, template, columns)

test('a template of a field is one SQL expression, and nothing of it is ever executed', () => {
  expect(read(`Hi {{name}}, it's{{#if name}} you{{else}} nobody{{/if}}`)).toEqual({
    expression: `('Hi ' || coalesce(cast("name" as VARCHAR), '') || ', it''s' || case when coalesce(cast("name" as VARCHAR), '') not in ('', 'false') then (' you') else (' nobody') end)`,
  })
  expect(columnsOfTemplate('{{name}}{{#unless name}}x{{/unless}}')).toEqual(['name'])
})

test.each([
  '{{constructor}}',
  '{{constructor.constructor}}',
  '{{__proto__}}',
  '{{@root}}',
  '{{../name}}',
  '{{this}}',
  '{{lookup . "name"}}',
  '{{log name}}',
  '{{helperMissing}}',
  '{{name name}}',
  '{{name x=1}}',
  '{{#each name}}x{{/each}}',
  '{{#with name}}x{{/with}}',
  '{{#name}}x{{/name}}',
  '{{#if name x=1}}x{{/if}}',
  '{{#if name as |x|}}x{{/if}}',
  '{{#if (lookup . "name")}}x{{/if}}',
  '{{> partial}}',
  '{{> (lookup . "name")}}',
  '{{#> partial}}x{{/partial}}',
  '{{* decorate}}',
  '{{#*inline "p"}}x{{/inline}}',
  '{{#if name}}x',
  '{{name',
])('%s is refused: there is nothing to call, to include or to repeat', template => {
  expect(read(template)).toMatchObject({ problem: { code: expect.stringMatching(/^A40/) } })
})

test.each([
  ['blocks', `${'{{#if name}}'.repeat(65)}x${'{{/if}}'.repeat(65)}`],
  ['branches', `{{#if name}}${'{{else if name}}x'.repeat(4_000)}{{/if}}`],
  ['parentheses', `{{name ${'(a '.repeat(8_000)}`],
  ['expressions', '{{name}}'.repeat(10_000)],
  ['characters', 'x'.repeat(1024 * 1024 + 1)],
])('%s without end are refused before the parser sees them', (_, template) => {
  expect(read(template)).toMatchObject({
    problem: { code: 'A4004', message: expect.stringContaining('the template has') },
  })
})

test('a syntax tree in place of a text is refused', () => {
  expect(() => read({ type: 'Program', body: [] } as unknown as string)).toThrow(TypeError)
})

test('what a row holds is never read as a template', () => {
  // The expression names the column; its value is only ever concatenated by the warehouse.
  expect(read('{{name}}')).toEqual({ expression: `(coalesce(cast("name" as VARCHAR), ''))` })
})
