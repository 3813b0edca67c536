/** The files below `.activate` that are neither warehouse nor ledger: saved plans, reports, whatever else was written there. */
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { redactPlanDocument } from '../plan/redaction.ts'
import type { StateFiles } from '../run/erase.ts'

/** Databases and what belongs to them, of this target and of others. */
const databases = /\.(db|duckdb|sqlite)(-wal|-shm|-journal|\.wal|\.key|\.rewrite|\.tmp(\/.*)?)?$/

/** Larger files are named, not read. */
const largest = 256 * 1024 * 1024

export function stateFilesOf(root: string): StateFiles {
  return {
    async forget({ traces, redact }, dryRun) {
      const keys = new Set(traces.keys)
      const mention: string[] = []
      let redacted = 0
      for (const file of await filesBelow(join(root, '.activate'))) {
        const name = relative(root, file)
        if ((await stat(file)).size > largest) {
          mention.push(`${name}: too large to be looked through`)
          continue
        }
        const text = await readFile(file, 'utf8')
        const left = redactPlanDocument(text, keys, redact)
        if (left === text) continue
        if (!isPlan(text)) {
          mention.push(`${name}: names the person, and is not a file that can be redacted without breaking it`)
          continue
        }
        redacted += 1
        if (!dryRun) await replace(file, left)
      }
      return { redacted: redacted === 0 ? {} : { 'saved plans': redacted }, mention }
    },
  }
}

function isPlan(text: string): boolean {
  return /^\s*\{\s*"schema":\s*"activate\.plan\//.test(text)
}

/** Whole or not at all; what the old file held is the file system's. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.redacted`
  await writeFile(draft, text, { mode: (await stat(file)).mode & 0o777 })
  await rename(draft, file)
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(file => !databases.test(file) && !file.includes('.tmp/'))
    .sort()
}
