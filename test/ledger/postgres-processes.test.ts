/** As processes.test.ts, on a ledger that several machines could share. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { currentHolder, isGone } from '../../src/ledger/holder.ts'
import { migrationNames } from '../../src/ledger/migrations/source.ts'
import { openSharedLedger } from '../../src/ledger/store.ts'
import { type PostgresServer, postgresMissing, startPostgres } from '../postgres-server.ts'
import { askAll, broken, promisesUntilKilled, useChildren } from './children.ts'
import { administer, sealing } from './postgres-ledger.ts'

describe.skipIf(postgresMissing !== undefined)('processes on a Postgres ledger', () => {
  const children = useChildren()
  let server: PostgresServer

  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const open = () =>
    openSharedLedger({ url: server.url, schema: 'activate_ledger', connections: 4, source: 'the test' }, sealing)

  test('make it once when several open it for the first time, and only one has a lease', async () => {
    const asked = await children.startAll(server.url, 4)
    expect(await askAll(asked, 'open')).toEqual(['opened', 'opened', 'opened', 'opened'])
    const applied = await administer(server.url, 'select name from activate_ledger.knex_migrations')
    expect(applied).toHaveLength(migrationNames.length)
    for (const scope of ['a', 'b', 'c', 'd']) {
      const answers = await askAll(asked, `acquire ${scope}`)
      const winner = asked[answers.indexOf('acquired 1')]?.process.pid
      const others = answers.filter(answer => answer !== 'acquired 1')
      expect(others).toEqual(Array(3).fill(`locked ${winner}`))
    }
  })

  test('that are killed while they send have had every promise kept, and are taken over at once', async () => {
    const sending = await children.startAll(server.url, 2)
    for (const [index, child] of sending.entries()) child.say(`send sync${index}`)
    const promises = await Promise.all(sending.map(child => promisesUntilKilled(child, 1_000, children.kill)))
    const ledger = await open()
    const self = currentHolder()
    for (const [index, promised] of promises.entries()) {
      expect(promised.size).toBeGreaterThan(300)
      expect(broken(promised, await ledger.requests(`run of sync${index}`))).toEqual([])
      const answer = await ledger.acquire(`sync:sync${index}`, self, Date.now(), 60_000, holder => isGone(holder, self))
      expect(answer).toMatchObject({
        kind: 'acquired',
        lease: { fence: 2 },
        from: { pid: sending[index]?.process.pid },
      })
    }
    await ledger.close()
  })

  test('lose their lease when they are stopped past its end, and can record nothing more', async () => {
    const [stopped] = await children.startAll(server.url, 1)
    if (stopped === undefined) throw new Error('no child')
    expect(await askAll([stopped], 'hold frozen')).toEqual(['held'])
    expect(await askAll([stopped], 'try frozen')).toEqual(['begun'])
    stopped.process.kill('SIGSTOP')
    const ledger = await open()
    for (;;) {
      const answer = await ledger.acquire('sync:frozen', currentHolder(), Date.now(), 60_000, () => false)
      if (answer.kind === 'acquired') break
    }
    stopped.process.kill('SIGCONT')
    expect(await askAll([stopped], 'try frozen')).toEqual(['A5003'])
    expect(await ledger.requests('run of frozen')).toHaveLength(1)
    await ledger.close()
  })
})
