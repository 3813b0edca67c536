import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change } from '../../src/delivery/destination.ts'
import { openDestination } from '../../src/delivery/registry.ts'
import { csvText, jsonLines } from '../../src/destinations/file-format.ts'
import { destinations } from '../../src/destinations/index.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'activate-file-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const place = { file: 'activate.yml', line: 1, column: 1 }
const ada: Change = {
  key: 'c1',
  changeId: 'a1',
  op: 'enter',
  fields: { name: 'Ada, "the first"', ltv: 120.5, note: null },
}
const bob: Change = { key: 'c2', changeId: 'b1', op: 'leave', fields: { name: '', ltv: -3, vip: true } }

function open(settings: Readonly<Record<string, unknown>>) {
  const own = { name: 'out', type: 'file', place, places: {}, settings }
  return openDestination(own, { definitions: destinations, env: {}, readFile: () => '', root })
}

async function write(settings: Readonly<Record<string, unknown>>, changes: readonly Change[]) {
  const destination = await open(settings)
  const verdict = await destination.attempt(destination.prepare('write', changes, 'k'), 0)
  await destination.close()
  return verdict
}

describe('what is written', () => {
  test('CSV that tells NULL from empty text, for those who left too', async () => {
    expect(await write({ path: 'out/crm' }, [ada, bob])).toEqual({ kind: 'acked' })
    const [name] = await readdir(join(root, 'out/crm'))
    expect(await readFile(join(root, 'out/crm', name ?? ''), 'utf8')).toBe(
      'key,change_id,op,name,ltv,note,vip\nc1,a1,enter,"Ada, ""the first""",120.5,,\nc2,b1,leave,"",-3,,true\n',
    )
  })

  test('one JSON object per line', async () => {
    await write({ path: 'out', format: 'jsonl' }, [ada, bob])
    const [name] = await readdir(join(root, 'out'))
    const lines = (await readFile(join(root, 'out', name ?? ''), 'utf8')).trimEnd().split('\n')
    expect(name).toMatch(/\.jsonl$/)
    expect(lines.map(line => JSON.parse(line))).toEqual([
      { key: 'c1', change_id: 'a1', op: 'enter', fields: ada.fields },
      { key: 'c2', change_id: 'b1', op: 'leave', fields: bob.fields },
    ])
  })

  test('only for the eyes of its owner', async () => {
    await write({ path: 'out' }, [ada])
    const [name] = await readdir(join(root, 'out'))
    expect((await stat(join(root, 'out', name ?? ''))).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'out'))).mode & 0o777).toBe(0o700)
  })

  test('once, however often it is repeated, and apart from other requests', async () => {
    await write({ path: 'out' }, [ada])
    await write({ path: 'out' }, [ada])
    await write({ path: 'out' }, [bob])
    expect(await readdir(join(root, 'out'))).toHaveLength(2)
  })

  test('over what a process left behind that died while writing', async () => {
    await write({ path: 'out' }, [ada])
    const [name] = await readdir(join(root, 'out'))
    await writeFile(join(root, 'out', `.${name}.tmp`), 'half a li')
    expect(await write({ path: 'out' }, [ada])).toEqual({ kind: 'acked' })
    expect(await readdir(join(root, 'out'))).toEqual([name])
  })
})

describe('formulas', () => {
  const dangerous = ['=1+1', '+1', '-1', '@sum', '\t=1', '\r=1', '\n=1', '\0=1', '＝1']

  test.each(dangerous)('%j gets a leading apostrophe', text => {
    const rows: string[][] = parse(csvText([{ ...ada, key: text, fields: { note: text } }], 'escape'), {
      relax_quotes: false,
    })
    expect(rows[1]).toEqual([`'${text}`, 'a1', 'enter', `'${text}`])
  })

  test('numbers and ordinary text stay as they are, and so does all with `formulas: keep`', () => {
    expect(csvText([{ ...ada, fields: { a: -5, b: 'a=1' } }], 'escape')).toBe(
      'key,change_id,op,a,b\nc1,a1,enter,-5,a=1\n',
    )
    expect(csvText([{ ...ada, fields: { a: '+447700900123' } }], 'keep')).toContain('+447700900123')
  })

  test('no cell of any text begins as one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, field) => {
        const rows: string[][] = parse(csvText([{ ...ada, fields: { [field]: text } }], 'escape'), {
          relax_column_count: false,
        })
        for (const cell of rows.flat()) expect(cell).not.toMatch(/^[\0\t\r\n=+\-@]/)
      }),
    )
  })
})

test('JSONL keeps every text, one line each', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), texts => {
      const lines = jsonLines(texts.map(text => ({ ...ada, fields: { text } })))
        .trimEnd()
        .split('\n')
      expect(lines.map(line => JSON.parse(line).fields.text)).toEqual(texts)
    }),
  )
})

describe('paths that lead out', () => {
  test.each(['../out', '/tmp/elsewhere', 'a/../../b', 'a\0b'])('%j is refused', async path => {
    await expect(open({ path })).rejects.toThrow(/A6512/)
  })

  test('a link to a folder elsewhere is refused, and so is one to nowhere', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'activate-elsewhere-'))
    await symlink(elsewhere, join(root, 'out'))
    await symlink(join(elsewhere, 'not-there'), join(root, 'dangling'))
    await expect(open({ path: 'out/deeper' })).rejects.toThrow(/A6512/)
    await expect(open({ path: 'dangling' })).rejects.toThrow(/A6512/)
    expect(await readdir(elsewhere)).toEqual([])
    await rm(elsewhere, { recursive: true })
  })

  test('a link in place of a file is replaced, not followed', async () => {
    await write({ path: 'out' }, [ada])
    const [name = ''] = await readdir(join(root, 'out'))
    await mkdir(join(root, 'other'))
    await writeFile(join(root, 'other', 'precious'), 'precious')
    await rm(join(root, 'out', name))
    await symlink(join(root, 'other', 'precious'), join(root, 'out', name))
    expect(await write({ path: 'out' }, [ada])).toEqual({ kind: 'acked' })
    expect(await readFile(join(root, 'other', 'precious'), 'utf8')).toBe('precious')
  })
})

test('a folder that vanished is said, and nothing is acknowledged', async () => {
  const destination = await open({ path: 'out' })
  await rm(join(root, 'out'), { recursive: true })
  expect(await destination.attempt(destination.prepare('write', [ada], 'k'), 0)).toMatchObject({
    kind: 'retry',
    code: 'write_failed',
  })
})
