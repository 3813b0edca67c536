/**
 * Two nights of identity resolution in a process of its own: `tsx bench/identity-night.ts LINKS FOLDER`. Prints one JSON line.
 * Four of ten links name an e-mail address, which one key in three shares with another; three a national phone number, one of
 * which is the till of a shop; two a device; one a device and the hash of an address. The second night has one link in a
 * hundred more, and lost as many.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { dropPeople, rememberPeople, resolvePeople } from '../src/plan/identity/people.ts'
import type { Identity } from '../src/project/policies.ts'
import { openDuckdb } from '../src/warehouse/duckdb.ts'
import { raw } from '../src/warehouse/sql.ts'
import { timed } from './report.ts'

const links = Number(process.argv[2] ?? 1_000_000)
const folder = process.argv[3] ?? 'out/bench'

const place = { file: 'activate.yml', line: 1, column: 1 }
const identity: Identity = {
  entity: 'customer',
  key: 'customer_id',
  identifiers: [
    { name: 'email', normalise: 'email', place },
    { name: 'email_sha256', normalise: 'lower', hashOf: 'email', place },
    { name: 'phone', normalise: 'e164', region: 'GB', place },
    { name: 'device', normalise: 'trim', place },
  ],
  links: [],
  maxCluster: 50,
  minConfidence: 0.5,
  place,
}

// Making the links takes memory that is not the tool's, so a process of its own does it.
if (process.argv[4] === 'make') {
  await makeLinks(join(folder, 'shop.duckdb'))
} else {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  execFileSync(process.execPath, ['--import', 'tsx', process.argv[1] ?? '', String(links), folder, 'make'])
  console.log(JSON.stringify(await measure()))
  await rm(folder, { recursive: true, force: true })
}

async function makeLinks(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(path, { memory_limit: '2GB' })
  const connection = await instance.connect()
  const key = `'c' || lpad((i // 10 * 4 + i % 4)::varchar, 9, '0')`
  const address = (n: string) => `'Customer.' || (${n}) || '@Example.com'`
  const shared = `case when i % 12 < 4 then (i // 12) * 12 + i % 2 else i end`
  await connection.run(`create table pair as select i, 
    case when i % 10 < 9 then 'customer_id' else 'device' end as left_type,
    case when i % 10 < 9 then ${key} else 'd' || i end as left_value,
    case when i % 10 < 4 then 'email' when i % 10 < 7 then 'phone' when i % 10 < 9 then 'device' else 'email_sha256' end as right_type,
    case when i % 10 < 4 then ${address(shared)} when i % 10 < 7 then case when i % 1000 = 4 then '020 7946 0958' else '07' || lpad((i % 1000000000)::varchar, 9, '0') end
      when i % 10 < 9 then 'd' || (i // 3) else sha256(lower(${address('i - 9')})) end as right_value,
    (50 + i % 50) / 100.0 as confidence, timestamptz '2026-01-01 00:00:00+00' + to_seconds(i % 1000000) as seen_at
    from range(${Math.round(links * 1.01)}) r(i)`)
  connection.closeSync()
  instance.closeSync()
}

async function measure() {
  const warehouse = await openDuckdb({
    type: 'duckdb',
    path: join(folder, 'warehouse.duckdb'),
    state: 'activate',
    attach: { shop: join(folder, 'shop.duckdb') },
    memory: '2GB',
    threads: 2,
  })
  const night = async (name: string, where: string) => {
    const select = `select * exclude (i) from shop.pair where ${where}`
    const model = { model: 'pairs', select: raw(select), columns: await warehouse.describe(select), place }
    const input = { name, asOf: '2026-03-01T02:00:00Z', links: [model] }
    const resolved = await timed(() => resolvePeople(warehouse, identity, input))
    const remembered = await timed(() => rememberPeople(warehouse, resolved.result, name))
    await dropPeople(warehouse, resolved.result)
    return { resolve: resolved.seconds, remember: remembered.seconds, summary: resolved.result.summary }
  }
  const first = await night('first', `i < ${links}`)
  const second = await night('second', `i >= ${Math.round(links / 100)}`)
  await warehouse.close()
  return { links, first, second, peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) }
}
