import { statfsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Runs flush to disk all the time; where there is memory to spare, tests take it for their disk. */
function temporaryFolder(): string {
  const memory = '/dev/shm'
  try {
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize > 4 * 2 ** 30 ? memory : tmpdir()
  } catch {
    return tmpdir() // not on this system
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build.ts'],
    pool: 'forks',
    // One more than cores: many tests wait for processes and clocks.
    maxWorkers: Math.max(2, availableParallelism()) + 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { TMPDIR: temporaryFolder() },
  },
})
