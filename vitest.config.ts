import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
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

/**
 * Rooms whose tests leave nothing behind that another file could see: they share processes and what these have loaded, which halves
 * their time. Not `plan` and `warehouse`, whose files are also imported by those that repeat them on other engines.
 */
const sharing = [
  'cli',
  'delivery',
  'destinations',
  'docs',
  'e2e',
  'ledger',
  'models',
  'project',
  'report',
  'run',
  'sandbox',
  'schedule',
  'validity',
].map(room => `test/${room}/**/*.test.ts`)

export default defineConfig({
  test: {
    globalSetup: ['test/build.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Tests that kill processes and cut connections meet a busy machine now and then; the summary names what was tried again.
    retry: process.env.CI === 'true' ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { TMPDIR: temporaryFolder() },
    projects: [
      {
        extends: true,
        test: { name: 'apart', include: ['test/**/*.test.ts'], exclude: [...sharing, '**/node_modules/**'] },
      },
      { extends: true, test: { name: 'sharing', include: sharing, isolate: false } },
    ],
  },
})
