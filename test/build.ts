import { execFileSync } from 'node:child_process'
import { installEngines } from './engines/install.ts'

/** Tests that start the tool as a child process run what is shipped, so the bundle is built before any test starts. */
export default function build(): void {
  installEngines()
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
}
