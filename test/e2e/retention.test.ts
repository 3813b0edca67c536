import { afterEach, beforeEach, expect, test } from 'vitest'
import { prune } from '../../src/run/prune.ts'
import { runSyncs } from '../../src/run.ts'
import { systemClock, type Wired } from '../../src/wire.ts'
import { makeProject, runOptions, type TestProject, withProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

const day = 86_400_000
const people = (rows: readonly string[]) => `id,email,spend\n${rows.join('\n')}\n`

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
sources: { people: { csv: people.csv } }
destinations:
  hook:${receiverSettings(far.url)}
retention: { decisions: 10d, deliveries: 10d, samples: 10d, requests: 10d, quarantine: 10d }
`,
    'people.csv': people(['a,a@x.example,1', 'b,b@x.example,2', 'c,c@x.example,-3']),
    'models/people.sql':
      '/*---\nkey: id\non_violation: quarantine\ncolumns: { spend: { type: integer, tests: [{ between: [0, 9] }] } }\n---*/\nselect id, email, spend from {{source "people"}}\n',
    'syncs/crm.yml':
      'model: people\ndestination: hook\naction: upsert\nmode: upsert\nfields: { email: email, spend: spend }\n',
    'syncs/once.yml':
      'model: people\ndestination: hook\naction: send\nmode: trigger\ntrigger: { on: enter, reentry: never, first_run: send }\nfields: { to: email }\n',
  })
  far.refuse = ({ path, key }) => (path === '/customers' && key === 'b' ? 'no such domain' : undefined)
})

afterEach(async () => {
  await far.close()
  await project.remove()
})

const epoch = Date.parse('2026-03-01T00:00:00Z')

/** One night, on the given day by both clocks. */
async function night(number: number): Promise<void> {
  const now = epoch + number * day
  await withProject(
    project,
    async wired => {
      const options = { samples: 10, signal: new AbortController().signal }
      const document = await runSyncs(wired, wired.project.syncs, runOptions(new Date(now).toISOString(), options))
      expect(document.problems).toBeUndefined()
    },
    { clock: clockAt(now) },
  )
}

/** A clock that began to run at this instant. */
function clockAt(start: number) {
  const ahead = start - Date.now()
  return { ...systemClock, now: () => Date.now() + ahead }
}

const counts = async (wired: Wired, statements: Readonly<Record<string, string>>) => {
  const warehouse = await wired.warehouse()
  const entries: (readonly [string, number])[] = []
  for (const [name, sql] of Object.entries(statements)) {
    const [row] = await warehouse.query({ sql: `select count(*) as n from activate.${sql}`, params: [] })
    entries.push([name, Number(row?.n)])
  }
  return Object.fromEntries(entries)
}

const remaining = {
  decisions: 'decisions',
  crm: "deliveries where sync = 'crm'",
  once: "deliveries where sync = 'once'",
  quarantine: 'quarantine',
  rejections: 'rejections',
  samples: `runs where strpos(plan, '"samples":[{') > 0`,
}

test('prunes by age once a day, and nothing that a policy still needs', async () => {
  await night(0)
  await project.write({ 'people.csv': people(['a,a@x.example,1', 'b,b@x.example,2', 'c,c@x.example,3']) })
  await night(1)
  const before = await withProject(project, wired => counts(wired, remaining))
  expect(before).toMatchObject({ crm: 2, once: 3, quarantine: 2, rejections: 1, samples: 4 })

  await withProject(
    project,
    async wired => {
      const dry = await prune(wired, { dryRun: true, actor: 'ada' })
      expect(dry.notes).toEqual(['deliveries of once are kept for good: reentry needs them'])
      expect(await counts(wired, remaining)).toEqual(before)
      expect(Object.keys(dry.warehouse).sort()).toEqual(['decisions', 'deliveries', 'plans with samples', 'quarantine'])
      expect(dry.ledger).toMatchObject({ requests: expect.any(Number), 'plans with samples': 4 })
    },
    { clock: clockAt(epoch + 12 * day) },
  )

  await night(12)
  const after = await withProject(project, wired => counts(wired, remaining))
  expect(after).toMatchObject({ crm: 0, once: 3, quarantine: 0, rejections: 1, samples: 1 })
  // The night that pruned is young itself.
  // Nobody is sent to again for what was forgotten.
  const sent = far.received.length
  await night(13)
  expect(far.received.length).toBe(sent)
  await withProject(project, async wired => {
    const ledger = await wired.ledger()
    expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok' })
    expect((await ledger.audit({ limit: 10 })).filter(({ action }) => action === 'prune').length).toBe(1)
    const runs = await ledger.runs({ sync: 'crm' })
    expect(await Promise.all(runs.map(async ({ runId }) => (await ledger.requests(runId)).length > 0))).toEqual([
      ...[false, true],
      ...[false, false],
    ])
  })
})

test('leaves what waits for a person, however old', async () => {
  far.fault = path => (path === '/messages' ? 'drop' : undefined)
  await night(0)
  const parked = await withProject(project, async wired => {
    const ledger = await wired.ledger()
    const [run] = await ledger.runs({ sync: 'once' })
    return { runId: run?.runId ?? '', exceptions: await ledger.exceptions(run?.runId ?? '') }
  })
  far.fault = undefined
  await withProject(project, wired => prune(wired, { dryRun: false, actor: 'ada' }), {
    clock: clockAt(epoch + 99 * day),
  })
  await withProject(project, async wired => {
    const ledger = await wired.ledger()
    const waiting = (await ledger.requests(parked.runId)).filter(({ state }) => state !== 'acked')
    expect(waiting.length).toBeGreaterThan(0)
    expect(await ledger.exceptions(parked.runId)).toEqual(parked.exceptions)
  })
})
