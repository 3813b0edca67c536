/** Nights whose outboxes come over the Storage Read API, by the built tool: a destination gets what it gets when they come in pages. */
import { spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BigqueryServer, startBigquery, testProject } from '../bigquery/server.ts'
import { type StorageServer, startStorage, status } from '../bigquery/storage.ts'
import { typeOf, zetasqlMissing } from '../engines/zetasql.ts'
import { start as startArmed } from '../torture/child.ts'
import { activate, type Finished, finish } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'

const people = 300
const run = ['run', '--as-of', '2026-03-01T02:00:00Z']

describe.skipIf(zetasqlMissing !== undefined)('outboxes on BigQuery', () => {
  let server: BigqueryServer
  let storage: StorageServer
  /** What the destination gets when outboxes come in pages. */
  let expected: Readonly<Record<string, string>>
  const projects: TestProject[] = []
  beforeAll(async () => {
    server = await startBigquery()
    storage = await startStorage(server, { rowsPerMessage: 30 })
    server.engine.datasets.set('shop', 'EU')
    server.engine.tables.set('shop.people', {
      kind: 'TABLE',
      columns: [
        { name: 'id', type: typeOf('STRING') },
        { name: 'name', type: typeOf('STRING') },
        { name: 'points', type: typeOf('INT64') },
        { name: 'seen_at', type: typeOf('TIMESTAMP') },
      ],
      rows: Array.from({ length: people }, (_, index) => [
        { stringValue: `p${index}` },
        index % 7 === 0 ? {} : { stringValue: `Zoë "${index}" 日本\n` },
        { int64Value: String(9007199254740993n + BigInt(index)) },
        { timestampValue: { seconds: String(1_770_000_000 + index), nanos: 123_456_000 } },
      ]),
    })
    const project = await projectReading('never')
    expect((await activate(project.root, ...run)).code).toBe(0)
    expected = await files(project)
    expect([Object.keys(expected).length, storage.sessions]).toEqual([people / 20, []])
  })
  afterAll(async () => {
    for (const project of projects) await project.remove()
    await storage.stop()
    await server.stop()
  })

  let count = 0
  const projectReading = async (way: string): Promise<TestProject> => {
    count += 1
    const project = await makeProject({
      'activate.yml': `name: large
timezone: UTC
warehouse:
  type: bigquery
  project: ${testProject}
  state: outboxes_${count}
  endpoint: "${server.url}"
  storage_endpoint: "${storage.url}"
  storage_read: ${way}
sources:
  people: { table: shop.people }
destinations:
  files: { type: file, path: out, format: jsonl, max_records: 20 }
`,
      'models/people.sql':
        '/*---\nkey: id\n---*/\nselect p.id, p.name, p.points, p.seen_at from {{source "people"}} p\n',
      'syncs/crm.yml':
        'model: people\ndestination: files\naction: write\nmode: upsert\nfields: { name: name, points: points, seen_at: seen_at }\n',
    })
    projects.push(project)
    return project
  }
  const files = async ({ root }: TestProject): Promise<Readonly<Record<string, string>>> => {
    const names = (await readdir(join(root, 'out'))).sort()
    const texts = await Promise.all(names.map(name => readFile(join(root, 'out', name), 'utf8')))
    return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? '']))
  }
  test('arrive as they do in pages, also when a stream is cut', async () => {
    const project = await projectReading('always')
    storage.inject({ on: 'rows', after: 3, ending: status.UNAVAILABLE })
    storage.inject({ on: 'rows', after: 2, ending: 'torn' })
    const { code, stdout, stderr } = await activate(project.root, ...run, '--json')
    expect([code, JSON.parse(stdout).runs[0].outcomes]).toEqual([0, expect.objectContaining({ acked: people })])
    expect(stderr).not.toContain('A3061')
    expect(await files(project)).toEqual(expected)
    expect([storage.sessions.length, storage.reads.length]).toEqual([1, 3])
  })

  test('arrive whole when the run is killed, and its requests are read once more by the next', async () => {
    const project = await projectReading('always')
    const before = storage.sessions.length
    const { signal } = await startArmed(project.root, run, { ACTIVATE_FAILPOINT: 'send.after:5=kill' }).ended
    expect(signal).toBe('SIGKILL')
    const { code, stdout } = await activate(project.root, ...run, '--json')
    expect([code, storage.sessions.length - before]).toEqual([0, expect.any(Number)])
    // That of the run that died, those of its requests, and that of what was left.
    expect(storage.sessions.length - before).toBeGreaterThanOrEqual(3)
    expect(JSON.parse(stdout).runs.at(-1).status).toBe('succeeded')
    const rows = (texts: Readonly<Record<string, string>>) => Object.values(texts).join('').split('\n').sort()
    expect(rows(await files(project))).toEqual(rows(expected))
  })

  test('stop the run where they may come in no other way, and nothing is lost', async () => {
    const project = await projectReading('always')
    storage.inject({
      on: 'session',
      code: status.PERMISSION_DENIED,
      message: 'Permission bigquery.readsessions.create denied',
    })
    const refused = await activate(project.root, ...run)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('roles/bigquery.readSessionUser')])
    expect((await activate(project.root, ...run)).code).toBe(0)
    expect(await files(project)).toEqual(expected)
  })

  test('doctor tries the way that they come', async () => {
    const { root } = await projectReading('auto')
    expect(found(await activate(root, 'doctor', '--json'))).toMatchObject({
      ...{ status: 'ok', found: 'over the Storage Read API from 200,000 rows on', help: null },
    })
    storage.inject({ on: 'session', code: status.PERMISSION_DENIED, message: 'no bigquery.readsessions.create' })
    expect(found(await activate(root, 'doctor', '--json'))).toMatchObject({
      ...{ status: 'warn', help: expect.stringContaining('--role=roles/bigquery.readSessionUser') },
    })
  })

  test('come in pages where the package is not installed, which doctor says', async () => {
    const { root } = await projectReading('auto')
    const bin = await toolWithoutPackage(join(root, 'tool'))
    const doctor = [bin, 'doctor', '--json']
    const child = spawn(process.execPath, doctor, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    expect(found(await finish(child))).toMatchObject({
      ...{ status: 'ok', found: expect.stringContaining('in pages: @google-cloud/bigquery-storage is not installed') },
      help: expect.stringContaining('npm install @google-cloud/bigquery-storage'),
    })
  })
})

function found(finished: Finished) {
  const { checks } = finished.json<{
    checks: { check: string; status: string; found: string; help: string | null }[]
  }>()
  return checks.find(({ check }) => check === 'large outboxes')
}

/** The built tool as it is installed without the optional package: everything else is there. */
async function toolWithoutPackage(folder: string): Promise<string> {
  const own = join(import.meta.dirname, '../..')
  const modules = join(own, 'node_modules')
  for (const part of ['bin', 'dist', 'package.json', 'schemas'])
    await cp(join(own, part), join(folder, part), { recursive: true })
  await mkdir(join(folder, 'node_modules', '@google-cloud'), { recursive: true })
  const link = (name: string) => symlink(join(modules, name), join(folder, 'node_modules', name))
  for (const name of await readdir(modules)) if (name !== '@google-cloud') await link(name)
  for (const name of await readdir(join(modules, '@google-cloud')))
    if (name !== 'bigquery-storage') await link(join('@google-cloud', name))
  return join(folder, 'bin', 'activate')
}
