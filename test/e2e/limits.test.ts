/** A run that its limits end early, through the command line: what it says, what it leaves, and what the next one does. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RunDocument } from '../../src/run.ts'
import { activate } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, startReceiver } from './receiver.ts'

let crm: Receiver
let project: TestProject

/** Two destinations, and two syncs: each to one of them, with the same account. */
const activateYml = (url: string, limits: string) => `
name: acme
warehouse: { type: duckdb, path: .activate/warehouse.duckdb, threads: 1 }
sources:
  people: { csv: data/people.csv, columns: { id: { type: string }, score: { type: integer } } }
destinations:
  first: ${settings(url, limits)}
  second: ${settings(url, limits)}
`

const settings = (url: string, limits: string) =>
  `{ type: http, base_url: '${url}', allow_private_network: true, ${limits}headers: { authorization: 'Bearer \${env:SECRET_TOKEN}' }, actions: { upsert: { method: PUT, path: '/one/{key}', idempotency: natural } } }`

const sync = (destination: string) =>
  `model: everyone\ndestination: ${destination}\naction: upsert\nmode: upsert\nfields: { score: score }\n`

beforeEach(async () => {
  crm = await startReceiver()
  project = await makeProject({
    'activate.yml': activateYml(crm.url, 'limits: [{ requests: 12, per: 1d }], '),
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, score from {{source "people"}}\n',
    'syncs/first.yml': sync('first'),
    'syncs/second.yml': sync('second'),
    'data/people.csv': `id,score\n${Array.from({ length: 8 }, (_, n) => `p${n},${n}`).join('\n')}\n`,
  })
})
afterEach(async () => {
  await project.remove()
  await crm.close()
})

test('the limit of a day is shared by destinations of one account, and what is left waits for the next day', async () => {
  const night = await activate(project.root, 'run', '--json')
  const [first, second] = night.json<RunDocument>().runs
  expect([night.code, first?.status, second?.status]).toEqual([3, 'succeeded', 'partial'])
  expect(second?.outcomes).toEqual({ acked: 4, rejected: 0, parked: 0, pending: 4 })
  const resumesAt = Date.parse(second?.resumes_at ?? '')
  expect(resumesAt - Date.parse(second?.started_at ?? '')).toBeGreaterThan(86_000_000)
  expect(crm.requests).toBe(12)

  // Another process, a moment later: the ledger remembers, and nothing is lost or sent.
  const again = await activate(project.root, 'run')
  expect(again.code).toBe(3)
  expect(again.stderr).toContain('A6060')
  expect(again.stderr).toContain('12 requests in 1d')
  expect(crm.requests).toBe(12)

  const status = await activate(project.root, 'status')
  expect(status.stdout).toMatch(
    /A6060: the limit of second, 12 requests in 1d, is used up; it renews from \d{4}-\d\d-\d\dT/,
  )
})
