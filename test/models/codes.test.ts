import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { modelsCodes } from '../../src/models/codes.ts'

test('every code of this room is used by it, and is explained', async () => {
  const folder = new URL('../../src/models/', import.meta.url)
  const files = (await readdir(folder)).filter(name => name !== 'codes.ts')
  const text = (await Promise.all(files.map(name => readFile(new URL(name, folder), 'utf8')))).join('\n')
  const used = [...new Set([...text.matchAll(/'(A2\d{3})'/g)].map(match => match[1]))].sort()
  expect(used).toEqual(Object.keys(modelsCodes).sort())
})
