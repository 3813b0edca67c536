import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = import.meta.dirname

/**
 * Installs what only the tests need and what is too large for everybody (see `package.json` beside this file), once per lockfile:
 * whoever runs the demo does not pay for it.
 */
export function installEngines(): void {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const installed = join(folder, 'node_modules', '.installed-lock.json')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === lock) return
  execFileSync('npm', ['ci', '--silent', '--prefix', folder], { stdio: 'inherit' })
  writeFileSync(installed, lock)
}
