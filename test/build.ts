import { execFileSync } from 'node:child_process'
import { installEngines, installPostgres } from './engines/install.ts'
import { postgresToInstall } from './postgres-server.ts'

/** Each project of vitest asks for it, all in one process. */
const built = 'ACTIVATE_TEST_BUILT'

/** Tests that start the tool as a child process run what is shipped, so the bundle is built before any test starts. */
export default function build(): void {
  if (process.env[built] !== undefined) return
  installEngines()
  if (postgresToInstall !== undefined) installPostgres(postgresToInstall)
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
  process.env[built] = 'yes'
}
