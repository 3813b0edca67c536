/** What the documents promise has tests, and nobody promises what no tool can. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/guarantees.md'), 'utf8')

function filesUnder(folder: string, ending: RegExp): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => ending.test(name))
    .map(name => join(root, folder, name))
}

const named = [...page.matchAll(/\[([^\]]+)\]\(\.\.\/(test\/[^)]+)\)/g)]
  .map(([, name = '', file = '']) => [name, file] as const)
  .filter(([name]) => !name.startsWith('`'))

describe('the tests that the guarantees name', () => {
  test('are many', () => {
    expect(named.length).toBeGreaterThan(50)
  })

  test.each(named)('%s (%s)', (name, file) => {
    const source = readFileSync(join(root, file), 'utf8')
    const quoted = ["'", '"', '`'].some(
      quote => source.includes(`${quote}${name}${quote}`) || source.includes(`${name}${quote}`),
    )
    expect(quoted).toBe(true)
  })

  test('stand in each row that promises something', () => {
    const rows = page
      .split('\n')
      .filter(line => line.startsWith('| ') && !/^\| (class|promise|the destination …|what happens|`)/.test(line))
    expect(rows.filter(row => !row.includes('](../test/'))).toEqual([])
  })
})

describe('no document and no sentence of the program', () => {
  const texts = [
    ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'].map(name => join(root, name)),
    ...filesUnder('docs', /\.md$/),
    ...filesUnder('src', /\.ts$/),
    ...filesUnder('schemas', /\.json$/),
  ].map(file => [relative(root, file), readFileSync(file, 'utf8')] as const)

  test.each([
    ['an effect that happens one time and no more', /exactly[\s-]*once/i],
    ['work that is left undone', /\b(?:TODO|FIXME|XXX)\b/],
  ])('speaks of %s', (_what, words) => {
    // The names of tests may say what is counted.
    const claims = texts.map(([file, text]) => [file, text.replaceAll(/\[[^\]]+\]\(\.\.\/test\/[^)]+\)/g, '')] as const)
    expect(claims.filter(([, text]) => words.test(text)).map(([file]) => file)).toEqual([])
  })
})
