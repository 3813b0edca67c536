import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

const people = 1000

let far: Receiver
let project: TestProject

function mount(folder: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]).status === 0
}

/** Small file systems need root on Linux; asked once, by trying. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'activate-mount-'))
  const mounted = mount(folder)
  if (mounted) execFileSync('umount', [folder])
  rmdirSync(folder)
  return mounted
}

describe.skipIf(!canMount())('a full disk (skipped where no small file system can be mounted)', () => {
  beforeEach(async () => {
    far = await startReceiver()
    const rows = Array.from({ length: people }, (_, index) => `p${index},Name ${index}`)
    project = await makeProject({
      'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${receiverSettings(far.url).replace(/max_records: 100/g, 'max_records: 10')}
`,
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
      'syncs/everyone.yml': 'model: everyone\ndestination: far\naction: upsert\nmode: mirror\nfields: { name: name }\n',
      'data/people.csv': `id,name\n${rows.join('\n')}\n`,
    })
    mkdirSync(join(project.root, '.activate'))
    mount(join(project.root, '.activate'))
  })

  afterEach(async () => {
    execFileSync('umount', [join(project.root, '.activate')])
    await project.remove()
    await far.close()
  })

  test('sends nothing, says so, and the next run with room sends everyone', async () => {
    fill()
    const { code, stderr } = await activate(project.root, 'run')
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/error\[A[35]0\d\d\].*disk is full/),
    })
    expect(far.requests).toBe(0)
    free()
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(far.records.size).toBe(people)
  })

  test('in the middle of a run stops it, and nothing is lost', async () => {
    far.slowness = 5
    const running = finish(start(project.root, 'run', '--json'))
    await until(() => far.requests >= 20)
    fill()
    const { code, json } = await running
    const [run] = json<RunDocument>().runs
    expect({ code, run }).toMatchObject({
      code: 1,
      run: {
        status: 'failed',
        plan: { decisions: { send: people } },
        problems: [{ code: expect.stringMatching(/^A[35]0\d\d$/), message: expect.stringContaining('disk is full') }],
      },
    })
    expect(far.records.size).toBeLessThan(people)
    const { acked = 0, pending = 0 } = run?.outcomes ?? {}
    expect(acked).toBeGreaterThan(0)
    expect(acked).toBeLessThanOrEqual(far.records.size)
    expect(acked + pending).toBe(people)
    free()
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(far.records.size).toBe(people)
    const before = far.requests
    expect((await activate(project.root, 'run')).code).toBe(0)
    expect(far.requests).toBe(before)
  })
})

const filler = () => join(project.root, '.activate', 'filler')

/** Writes until the file system refuses. */
function fill(): void {
  const file = openSync(filler(), 'w')
  const block = Buffer.alloc(4096)
  for (let full = false; !full; ) full = refuses(() => writeSync(file, block))
  closeSync(file)
}

function refuses(write: () => unknown): boolean {
  try {
    write()
    return false
  } catch {
    return true
  }
}

function free(): void {
  rmSync(filler())
}
