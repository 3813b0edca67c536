import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pages } from '../../scripts/pages.ts'
import { codeBook } from '../../src/cli/code-book.ts'

const root = join(import.meta.dirname, '../..')

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(ending))
    .map(name => join(folder, name))
}

const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'].map(name => join(root, name)),
  ...filesUnder(join(root, 'docs'), '.md'),
]

describe('generated files', () => {
  test.each([...pages().keys()])('%s says what the code says', path => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(pages().get(path))
  })
})

describe('links', () => {
  test.each(documents.map(file => [relative(root, file), file] as const))('of %s lead somewhere', (_name, file) => {
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] ?? '')
    const local = links.filter(link => !/^(https?:|#)/.test(link)).map(link => link.replace(/#.*$/, ''))
    const missing = local.filter(link => statSync(join(dirname(file), link), { throwIfNoEntry: false }) === undefined)
    expect(missing).toEqual([])
  })
})

describe('error codes', () => {
  const sources = filesUnder(join(root, 'src'), '.ts')
    .filter(file => !file.endsWith('codes.ts') && !file.endsWith('code-book.ts'))
    .map(file => readFileSync(file, 'utf8'))
    .join('\n')
  const used = new Set([...sources.matchAll(/'(A\d{4})'/g)].map(match => match[1]))

  test('that are used are explained', () => {
    expect([...used].filter(code => codeBook[code ?? ''] === undefined)).toEqual([])
  })

  test('that are explained are used', () => {
    expect(Object.keys(codeBook).filter(code => !used.has(code))).toEqual([])
  })
})
