import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderProblem, renderProblems } from '../../../src/cli/render/errors.ts'

const plain = picocolors.createColors(false)

test('an error shows the line, points at the word and says how to mend it', () => {
  const problem = {
    code: 'A1107',
    message: 'unknown mode "miror"',
    place: { file: 'syncs/at_risk.yml', line: 4, column: 7, source: 'mode: miror', length: 5 },
    help: 'did you mean "mirror"? modes are upsert, update, insert, mirror, audience, append, trigger',
  }
  expect(renderProblem(problem, plain)).toBe(`error[A1107]: unknown mode "miror"
  --> syncs/at_risk.yml:4:7
   |
 4 | mode: miror
   |       ^^^^^ did you mean "mirror"?
   = help: modes are upsert, update, insert, mirror, audience, append, trigger — \`activate explain A1107\``)
})

test('an error without a place still names its code and where to read more', () => {
  expect(renderProblem({ code: 'A5001', message: 'the ledger is locked' }, plain)).toBe(
    'error[A5001]: the ledger is locked\n  = help: `activate explain A5001`',
  )
})

test('a place without its line is named, and the hint joins the help', () => {
  const problem = {
    code: 'A1001',
    message: 'no such file',
    place: { file: 'a.yml', line: 1, column: 1 },
    help: 'did you mean "b"?',
  }
  expect(renderProblem(problem, plain)).toBe(
    'error[A1001]: no such file\n  --> a.yml:1:1\n  = help: did you mean "b"? — `activate explain A1001`',
  )
})

test('the gutter grows with the line number and tabs do not move the caret', () => {
  const problem = {
    code: 'A1001',
    message: 'x',
    place: { file: 'a.yml', line: 120, column: 3, source: '\t\tkey: 1', length: 3 },
  }
  expect(renderProblem(problem, plain)).toBe(`error[A1001]: x
  --> a.yml:120:3
     |
 120 |   key: 1
     |   ^^^
     = help: \`activate explain A1001\``)
})

test('further lines of a message stand below it', () => {
  const rendered = renderProblem({ code: 'A2004', message: '2 rows have a null key\nC1\nC2' }, plain)
  expect(rendered).toBe('error[A2004]: 2 rows have a null key\n  C1\n  C2\n  = help: `activate explain A2004`')
})

test('text that a server sent cannot steer the terminal', () => {
  const message = 'refused: \u001b]0;owned\u0007\u001b[2J\u009b31mbad\u202e\u0000'
  expect(renderProblem({ code: 'A6001', message }, plain)).toBe(
    'error[A6001]: refused: bad\n  = help: `activate explain A6001`',
  )
})

test('a very long line is cut around the caret', () => {
  const source = `${'a'.repeat(500)}HERE${'b'.repeat(500)}`
  const [, , , line = '', caret = ''] = renderProblem(
    { code: 'A1001', message: 'x', place: { file: 'a', line: 1, column: 501, source, length: 4 } },
    plain,
  ).split('\n')
  expect(line.length).toBeLessThan(180)
  expect(line.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)).toBe('HERE')
})

test('several problems are counted at the end', () => {
  const problem = { code: 'A1001', message: 'x' }
  expect(renderProblems([problem, problem], plain).endsWith('\n\n2 problems found')).toBe(true)
})
