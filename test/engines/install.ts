import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Installs what only the tests need and what is too large for everybody (see `package.json` beside this file), once per lockfile:
 * whoever runs the demo does not pay for it.
 */
export function installEngines(): void {
  install(import.meta.dirname)
}

/** A PostgreSQL server of a version that not every test run wants. */
export function installPostgres(version: string): void {
  install(join(import.meta.dirname, `postgres-${version}`))
}

function install(folder: string): void {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const installed = join(folder, 'node_modules', '.installed-lock.json')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  execFileSync('npm', ['ci', '--silent', '--prefix', folder], { stdio: 'inherit' })
  writeFileSync(installed, lock)
}
