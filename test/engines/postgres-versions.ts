/**
 * `npm run test:postgres [-- 14 16 …]`: every test that wants a PostgreSQL server, on those versions that `npm test` does not run on,
 * one after the other. `ACTIVATE_TEST_PG_VERSION=14 npm test -- postgres` runs what one likes on one of them.
 */
import { spawnSync } from 'node:child_process'

const given = process.argv.slice(2)
const versions = given.length > 0 ? given : ['14', '16', '17']
const files = ['postgres', 'ledger/erasures', 'destinations/table', 'e2e/limits']

const failed = versions.filter(version => {
  console.log(`\nPostgreSQL ${version}`)
  const env = { ...process.env, ACTIVATE_TEST_PG_VERSION: version }
  return spawnSync('npx', ['vitest', 'run', ...files], { env, stdio: 'inherit' }).status !== 0
})
console.log(failed.length === 0 ? `\nPassed on ${versions.join(', ')}` : `\nFAILED on ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
