import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { atMost, median, print } from './report.ts'

/** `activate --version` against `node -e 0`, alternating, so that both see the same machine. */
export function benchStartup(runs = 15): void {
  const bin = join(import.meta.dirname, '..', 'bin', 'activate')
  const time = (args: readonly string[]) => {
    const start = performance.now()
    execFileSync(process.execPath, args, { stdio: 'ignore' })
    return performance.now() - start
  }
  const pairs = Array.from({ length: runs }, () => ({ bare: time(['-e', '0']), ours: time([bin, '--version']) }))
  const [bare, ours] = [median(pairs.map(pair => pair.bare)), median(pairs.map(pair => pair.ours))]
  print('Start-up', [
    atMost('activate --version / node -e 0', ours / bare, 2, `${ours.toFixed(0)} ms against ${bare.toFixed(0)} ms`),
  ])
}
