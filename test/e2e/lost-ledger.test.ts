import { copyFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PlanDocument, RunDocument } from '../../src/run.ts'
import { command as activate, finish, start, until } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'
import { type Receiver, receiverSettings, startReceiver } from './receiver.ts'

let far: Receiver
let project: TestProject

beforeEach(async () => {
  far = await startReceiver()
  project = await makeProject({
    'activate.yml': `
name: acme
sources:
  people: { csv: data/people.csv, columns: { id: { type: string } } }
destinations:
  far: ${receiverSettings(far.url)}
`,
    'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "people"}}\n',
  })
})

afterEach(async () => {
  await project.remove()
  await far.close()
})

const file = (name: string) => join(project.root, '.activate', name)
const people = (...names: readonly string[]) =>
  project.write({ 'data/people.csv': `id,name\n${names.map(name => `${name},Name of ${name}`).join('\n')}\n` })
const mirror = () =>
  project.write({
    'syncs/everyone.yml': 'model: everyone\ndestination: far\naction: upsert\nmode: mirror\nfields: { name: name }\n',
  })
const welcome = () =>
  project.write({
    'syncs/everyone.yml':
      'model: everyone\ndestination: far\naction: send\nmode: trigger\ntrigger: { on: enter, reentry: never, first_run: send }\nfields: { name: name }\n',
  })

async function run(...flags: readonly string[]) {
  const { code, json } = await activate(project.root, 'run', '--json', ...flags)
  const [summary] = json<RunDocument>().runs
  if (summary === undefined) throw new Error('the run says nothing')
  return { code, ...summary }
}

async function loseLedger(): Promise<void> {
  for (const end of ['', '-wal', '-shm']) await rm(file(`ledger.db${end}`), { force: true })
}

describe('when the ledger is lost and the warehouse remembers', () => {
  test('what cannot be taken back is held until somebody says so, and then goes on', async () => {
    await welcome()
    await people('ada')
    expect(await run()).toMatchObject({ code: 0, outcomes: { acked: 1 } })
    await loseLedger()
    await people('ada', 'bob')

    const dry = await activate(project.root, 'dry-run', '--json')
    const [plan] = dry.json<PlanDocument>().plans
    expect(plan?.guard).toEqual({
      verdict: 'hold',
      reasons: [
        expect.stringMatching(/^the ledger does not know the run everyone__\S+, so nobody can tell what it sent/),
      ],
    })
    expect(await run()).toMatchObject({ code: 5, status: 'held' })
    expect(await run()).toMatchObject({ code: 5, status: 'held' })
    expect(far.received.map(({ key }) => key)).toEqual(['ada'])

    expect(await run('--yes')).toMatchObject({ code: 0, outcomes: { acked: 1 } })
    await people('ada', 'bob', 'cyd')
    expect(await run()).toMatchObject({ code: 0, outcomes: { acked: 1 } })
    expect(far.received.map(({ key }) => key)).toEqual(['ada', 'bob', 'cyd'])
  })

  test('a first run that was never settled counts as well', async () => {
    await welcome()
    await people('ada')
    far.gate = new Promise(() => undefined)
    const child = start(project.root, 'run')
    const finished = finish(child)
    await until(() => far.requests > 0)
    child.kill('SIGKILL')
    await finished
    await loseLedger()
    expect(await run()).toMatchObject({ code: 5, status: 'held' })
    expect(far.received).toHaveLength(1)
  })

  test('an older copy of it is no better', async () => {
    await welcome()
    await people('ada')
    await run()
    await copyFile(file('ledger.db'), file('copy.db'))
    await people('ada', 'bob')
    expect(await run()).toMatchObject({ code: 0, outcomes: { acked: 1 } })
    await loseLedger()
    await copyFile(file('copy.db'), file('ledger.db'))
    expect(await run()).toMatchObject({ code: 5, status: 'held' })
  })

  test('a mirror goes on with a warning: to send it again would harm nobody', async () => {
    await mirror()
    await people('ada')
    await run()
    await loseLedger()
    await people('ada', 'bob')
    const { code, outcomes, plan } = await run()
    expect({ code, outcomes }).toMatchObject({ code: 0, outcomes: { acked: 1 } })
    expect(plan?.warnings).toEqual([expect.stringMatching(/^the ledger does not know the run everyone__/)])
    expect((await run()).plan?.warnings).toEqual([])
  })
})
