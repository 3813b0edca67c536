/**
 * Files in a folder of the project: each request becomes one whole CSV or JSONL file, named by the change ids that it carries.
 * A repeated request writes the same bytes under the same name, so that repeating it changes nothing. A file appears at once and
 * complete (written beside, synced, renamed), and only its owner may read it.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type Change, defineDestination, type Session, type Verdict } from '../delivery/destination.ts'
import { modes } from '../project/project.ts'
import { containedPath, errnoOf } from './contained-path.ts'
import { csvText, jsonLines } from './file-format.ts'

const settings = z.strictObject({
  path: z
    .string()
    .min(1)
    .describe("A folder below the project's, made when it is missing. Each request becomes a file in it"),
  format: z.enum(['csv', 'jsonl']).default('csv').describe('`csv` or `jsonl` (one JSON object per line)'),
  formulas: z
    .enum(['escape', 'keep'])
    .default('escape')
    .describe(
      "In CSV, texts that a spreadsheet would run as a formula get a leading '. `keep` leaves them as they are",
    ),
  max_records: z.int().min(1).max(100_000).default(10_000).describe('At most this many records in one file'),
})

export type FileSettings = z.output<typeof settings>

export const file = defineDestination({
  name: 'file',
  summary:
    'CSV or JSONL files in a folder of the project, one per request, with key, change_id, op and the mapped fields',
  settings,
  limits: () => [],
  concurrency: () => 1,
  actions: ({ max_records }) => ({
    write: {
      summary: 'Writes every change as a row; those who left have the op `leave`',
      modes,
      batch: { maxRecords: max_records },
      idempotency: { kind: 'natural' },
      takesLeavers: true,
    },
  }),
  open: async (own, { root }) => {
    const folder = await containedPath(root, own.path)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // Asked again now that it exists: somebody may have put a link there meanwhile.
    await containedPath(root, own.path)
    return sessionIn(folder, own)
  },
})

function sessionIn(folder: string, own: FileSettings): Session {
  return {
    deliver: async (_action, batch) => {
      const text = own.format === 'csv' ? csvText(batch, own.formulas) : jsonLines(batch)
      return writeWhole(folder, fileName(batch, own.format), text)
    },
    close: async () => {},
  }
}

/** The same changes give the same name. */
export function fileName(batch: readonly Change[], extension: string): string {
  const digest = createHash('sha256')
    .update(batch.map(change => change.changeId).join('\n'))
    .digest('hex')
  return `part-${digest.slice(0, 32)}.${extension}`
}

async function writeWhole(folder: string, name: string, text: string): Promise<Verdict> {
  const beside = join(folder, `.${name}.tmp`)
  try {
    // Left by a process that died while writing; `wx` never follows a link.
    await rm(beside, { force: true })
    const handle = await open(beside, 'wx', 0o600)
    try {
      await handle.writeFile(text, 'utf8')
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    return notWritten(error)
  }
  return putInPlace(folder, beside, join(folder, name))
}

async function putInPlace(folder: string, beside: string, target: string): Promise<Verdict> {
  try {
    await rename(beside, target)
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    return { kind: 'acked' }
  } catch (error) {
    return { kind: 'uncertain', code: 'write_failed', message: messageOf(error) }
  }
}

/** Nothing has the file's own name yet, so nothing was delivered. */
function notWritten(error: unknown): Verdict {
  const code = errnoOf(error)
  const message = messageOf(error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return { kind: 'denied', code: 'not_permitted', message }
  return { kind: 'retry', code: code === 'ENOSPC' || code === 'EDQUOT' ? 'disk_full' : 'write_failed', message }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
