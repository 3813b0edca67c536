import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadProject } from '../../src/project/load.ts'
import type { Project } from '../../src/project/project.ts'
import { type RunSummary, runSyncs } from '../../src/run.ts'
import { demoNights } from '../../src/sandbox/demo-nights.ts'
import { writeSampleData } from '../../src/sandbox/sample-data/write.ts'
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import { wire } from '../../src/wire.ts'

const example = resolve(import.meta.dirname, '../..')
const nights = demoNights(undefined, 3)

let folder: string
let sandbox: Sandbox
let project: Project
const history: (readonly RunSummary[])[] = []

/** The example's own project, with its two destinations pointed at this test's sandbox. */
async function openExample(): Promise<Project> {
  for (const part of ['activate.yml', 'models', 'syncs', 'outcomes']) {
    await cp(join(example, part), join(folder, part), { recursive: true })
  }
  const loaded = await loadProject(folder, { env: {} })
  const destinations = loaded.destinations.map(destination => ({
    ...destination,
    settings: { ...destination.settings, base_url: sandbox.url },
  }))
  return { ...loaded, destinations }
}

async function runNight(asOf: number): Promise<readonly RunSummary[]> {
  const wired = wire(project, { env: {} })
  try {
    const signal = new AbortController().signal
    const options = { asOf, samples: 0, fullResync: false, yes: false, signal, onProgress: () => undefined }
    return (await runSyncs(wired, project.syncs, options)).runs
  } finally {
    await wired.close()
  }
}

function sums(runs: readonly RunSummary[], what: 'enter' | 'change' | 'leave'): Record<string, number> {
  return Object.fromEntries(runs.map(({ sync, plan }) => [sync, plan?.changes[what] ?? 0]))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activate-example-'))
  sandbox = await startSandbox({ port: 0, faults: {}, seed: 1 })
  project = await openExample()
  for (const { asOf, faults } of nights) {
    await writeSampleData(join(folder, 'data'), { seed: 1, customers: 900, asOf })
    sandbox.chooseFaults(faults)
    history.push(await runNight(asOf))
  }
  sandbox.chooseFaults({})
}, 180_000)

afterAll(async () => {
  await sandbox?.close()
  await rm(folder, { recursive: true, force: true })
})

test('no night is held, fails, or leaves anything waiting', () => {
  for (const run of history.flat()) {
    expect(['succeeded', 'partial'], JSON.stringify(run.problems)).toContain(run.status)
    expect(run.outcomes).toMatchObject({ parked: 0, pending: 0 })
  }
})

test('the first night fills the CRM and only remembers who is due a message', () => {
  const [first = []] = history
  const sent = Object.fromEntries(first.map(({ sync, outcomes }) => [sync, outcomes.acked]))
  const messages = first.filter(({ plan }) => plan?.mode === 'trigger')
  expect(messages.map(({ sync }) => sync)).toContain('abandoned_checkout')
  expect(messages.map(({ outcomes }) => outcomes.acked)).toEqual(messages.map(() => 0))
  expect(sent.ltv_tier).toBe(first.find(({ sync }) => sync === 'ltv_tier')?.plan?.rows.population)
  expect(sent.at_risk).toBeGreaterThan(50)
})

test('later nights are about few customers, and people enter, change and leave', () => {
  const [, second = [], third = []] = history
  for (const night of [second, third]) {
    expect(sums(night, 'enter').renewal_due).toBeGreaterThan(0)
    expect(sums(night, 'leave').renewal_due).toBeGreaterThan(0)
    expect(sums(night, 'change').ltv_tier).toBeGreaterThan(0)
    expect(sums(night, 'change').ltv_tier).toBeLessThan(200)
  }
})

test('the CRM holds exactly the segment that the last night computed', () => {
  const rows = history.at(-1)?.find(({ sync }) => sync === 'at_risk')?.plan?.rows.population
  const atRisk = Object.values(sandbox.state().contacts).filter(({ lifecycle_stage }) => lifecycle_stage === 'at-risk')
  expect(atRisk).toHaveLength(rows ?? -1)
})

test('the hard night did meet faults, and yet every acknowledged message arrived once', () => {
  const state = sandbox.state()
  const messages = history.flat().filter(({ plan }) => plan?.mode === 'trigger')
  expect(state.counts.faults).toBeGreaterThan(0)
  expect(state.counts.duplicates).toBe(0)
  expect(state.counts.emails + state.counts.sms).toBe(messages.reduce((sum, { outcomes }) => sum + outcomes.acked, 0))
})

test('each hot lead became one task of its owner, however often the request was repeated', () => {
  const { tasks, contacts } = sandbox.state()
  const asked = history.flat().filter(({ sync }) => sync === 'hot_lead_task')
  expect(tasks.length).toBe(asked.reduce((sum, { outcomes }) => sum + outcomes.acked, 0))
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length)
  expect(tasks.length).toBeGreaterThan(3)
  expect(tasks.map(({ id, owner }) => [id, owner])).toEqual(tasks.map(({ id }) => [id, contacts[id]?.owner]))
})

test('a night that is repeated sends nothing', async () => {
  const before = sandbox.state().counts.requests
  const again = await runNight(nights.at(-1)?.asOf ?? 0)
  expect(again.map(({ outcomes }) => outcomes.acked)).toEqual(again.map(() => 0))
  expect(sandbox.state().counts.requests).toBe(before)
}, 60_000)
