import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { codeBook } from '../../src/cli/code-book.ts'
import { commands } from '../../src/cli/commands.ts'
import { globalOptions } from '../../src/cli/global-options.ts'
import { fileSchemas } from '../../src/project/schema.ts'

const root = join(import.meta.dirname, '../..')

const documents = [
  ...['README.md', 'ARCHITECTURE.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name)),
].map(path => [path, readFileSync(join(root, path), 'utf8')] as const)

const blocks = documents.flatMap(([path, text]) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language = '', code = '']) => ({ path, language, code })),
)

describe('whole files in documents', () => {
  const files = blocks.flatMap(({ path, language, code }) => {
    const name = language === 'yaml' ? /^# (activate\.yml|(?:syncs|outcomes)\/\S+\.yml)\n/.exec(code)?.[1] : undefined
    return name === undefined ? [] : [[`${name} in ${path}`, name, code] as const]
  })

  test('are there at all', () => {
    expect(files.length).toBeGreaterThanOrEqual(3)
  })

  test.each(files)('%s is valid', (_title, name, code) => {
    const kind = name === 'activate.yml' ? 'project' : name.startsWith('syncs/') ? 'sync' : 'outcome'
    const schema = fileSchemas[kind]
    expect(schema.safeParse(parse(code)).error?.issues).toBeUndefined()
  })
})

describe('commands', () => {
  const known = new Set(commands.map(({ name }) => name))
  const longOptions = (options: readonly { readonly flags: string }[]) =>
    options.flatMap(({ flags }) => [...flags.matchAll(/--[a-z-]+/g)].map(([flag]) => flag))
  const sentences = Object.entries(codeBook).map(([code, { explanation }]) => [code, explanation] as const)
  const mentions = [...documents, ...sentences].map(
    ([place, text]) =>
      [
        place,
        [...text.matchAll(/(?:`|^\$ |^ *)(?:node bin\/)?activate (?:-C \S+ )?([a-z][a-z-]*)([^`\n]*)/gm)].map(
          ([, command = '', rest = '']) => ({ command, rest: rest.replace(/\s#.*$/, '') }),
        ),
      ] as const,
  )

  test.each(
    mentions.filter(([, found]) => found.length > 0),
  )('that %s mentions exist, with their options', (_place, found) => {
    const unknown = found.filter(({ command, rest }) => {
      const definition = commands.find(({ name }) => name === command)
      const options = longOptions([...globalOptions, ...(definition?.options ?? [])])
      return !known.has(command) || [...rest.matchAll(/--[a-z][a-z-]*/g)].some(([flag]) => !options.includes(flag))
    })
    expect(unknown).toEqual([])
  })
})

describe('links into a page', () => {
  const anchors = new Map(
    documents.map(([path, text]) => [
      path,
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    ]),
  )

  test.each(documents)('of %s find their heading', (path, text) => {
    const missing = [...text.matchAll(/\]\(([^)\s#]*)#([^)\s]+)\)/g)].filter(([, file = '', anchor = '']) => {
      if (file.includes('://')) return false
      const target = file === '' ? path : relative(root, join(root, dirname(path), file))
      return !anchors.get(target)?.includes(anchor)
    })
    expect(missing.map(([link]) => link)).toEqual([])
  })
})
