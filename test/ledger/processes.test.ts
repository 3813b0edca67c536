import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { currentHolder, isGone } from '../../src/ledger/holder.ts'
import { migrationNames } from '../../src/ledger/migrations/source.ts'
import { openLedger } from '../../src/ledger/store.ts'
import { askAll, broken, promisesUntilKilled, useChildren } from './children.ts'

const children = useChildren()

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-ledger-'))
  path = join(folder, 'ledger.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('is made once when several processes open it for the first time', async () => {
  const asked = await children.startAll(path, 4)
  expect(await askAll(asked, 'open')).toEqual(['opened', 'opened', 'opened', 'opened'])
  const connection = new Sqlite(path)
  expect(connection.prepare('select count(*) from knex_migrations').pluck().get()).toBe(migrationNames.length)
  expect(connection.pragma('integrity_check', { simple: true })).toBe('ok')
  connection.close()
})

test('lets exactly one of several racing processes have a lease', async () => {
  const asked = await children.startAll(path, 4)
  for (const scope of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const answers = await askAll(asked, `acquire ${scope}`)
    const winner = asked[answers.indexOf('acquired 1')]?.process.pid
    const others = answers.filter(answer => answer !== 'acquired 1')
    expect(others).toEqual(Array(3).fill(`locked ${winner}`))
  }
})

test('still holds all that was promised after the process was killed, and is taken over at once', async () => {
  const [child] = await children.startAll(path, 1)
  if (child === undefined) throw new Error('no child')
  child.say('send a')
  const promised = await promisesUntilKilled(child, 3_000, children.kill)

  const ledger = await openLedger({ type: 'sqlite', path })
  expect(promised.size).toBeGreaterThan(1_000)
  expect(broken(promised, await ledger.requests('run of a'))).toEqual([])

  const self = currentHolder()
  const answer = await ledger.acquire('sync:a', self, Date.now(), 60_000, holder => isGone(holder, self))
  expect(answer).toMatchObject({ kind: 'acquired', lease: { fence: 2 }, from: { pid: child.process.pid } })
  await ledger.close()
})
