/**
 * Keeps the sandbox's memory in a SQLite file, so that the next process finds the same CRM. Each request's changes are
 * one transaction. This is a toy's memory and not the ledger: it survives a killed process, not a power cut.
 */
import Database from 'better-sqlite3'
import { z } from 'zod'
import { ActivateError } from '../project/problem.ts'
import {
  type Contact,
  type Counter,
  counterNames,
  emptyMemory,
  joinList,
  type LoggedRequest,
  type Memory,
  type Message,
  memberId,
  type RememberedKey,
  type Shelf,
  shelves,
  type Task,
} from './memory.ts'

const version = 1
const rowSchema = z.object({ shelf: z.enum(shelves), id: z.string(), body: z.string() })

export interface MemoryFile {
  readonly memory: Memory
  /** Writes what has changed since the last call. */
  save(): void
  close(): void
}

/** Opens or creates the file and reads what it holds. Throws A8503. */
export function openMemoryFile(path: string): MemoryFile {
  try {
    return open(path)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new ActivateError(
      'failed',
      {
        code: 'A8503',
        message: `the sandbox's memory ${path} cannot be used: ${error.message}`,
        help: 'delete the file to begin with an empty CRM, or name another',
      },
      { cause: error },
    )
  }
}

function open(path: string): MemoryFile {
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  const found = database.pragma('user_version', { simple: true })
  if (found !== 0 && found !== version) throw new Error(`it was written by another version (${String(found)})`)
  database.exec(
    'create table if not exists entry (shelf text not null, id text not null, body text not null, primary key (shelf, id)) strict',
  )
  database.pragma(`user_version = ${version}`)
  const memory = readMemory(database)
  return { memory, save: () => saveMemory(database, memory), close: () => database.close() }
}

function readMemory(database: Database.Database): Memory {
  const memory = emptyMemory()
  for (const found of database.prepare('select shelf, id, body from entry order by rowid').iterate()) {
    const { shelf, id, body } = rowSchema.parse(found)
    restore[shelf](memory, id, JSON.parse(body))
  }
  memory.pending.touched.clear()
  return memory
}

/** How an entry goes back to its shelf. Bodies were written by `entryOf` below, under the same version. */
const restore: Readonly<Record<Shelf, (memory: Memory, id: string, body: unknown) => void>> = {
  contact: (memory, id, body) => memory.contacts.set(id, body as Contact),
  member: (memory, _id, body) => joinList(memory, ...(body as [string, string])),
  task: (memory, id, body) => memory.tasks.set(id, body as Task),
  message: (memory, id, body) => memory.messages.set(id, body as Message),
  key: (memory, id, body) => memory.keys.set(id, body as RememberedKey),
  request: (memory, id, body) => memory.requests.set(Number(id), body as LoggedRequest),
  counter: (memory, id, body) => {
    memory.counters[id as Counter] = body as number
  },
}

function entryOf(memory: Memory, shelf: Shelf, id: string): unknown {
  if (shelf === 'contact') return memory.contacts.get(id)
  if (shelf === 'task') return memory.tasks.get(id)
  if (shelf === 'message') return memory.messages.get(id)
  if (shelf === 'key') return memory.keys.get(id)
  if (shelf === 'request') return memory.requests.get(Number(id))
  if (shelf === 'counter') return counterNames.includes(id as Counter) ? memory.counters[id as Counter] : undefined
  const [list, member] = JSON.parse(id) as [string, string]
  return memory.lists.get(list)?.has(member) && memberId(list, member) === id ? [list, member] : undefined
}

function saveMemory(database: Database.Database, memory: Memory): void {
  const { pending } = memory
  if (!pending.wiped && pending.touched.size === 0) return
  const put = database.prepare(
    'insert into entry (shelf, id, body) values (?, ?, ?) on conflict (shelf, id) do update set body = excluded.body',
  )
  const drop = database.prepare('delete from entry where shelf = ? and id = ?')
  database.transaction(() => {
    if (pending.wiped) database.exec('delete from entry')
    for (const [shelf, ids] of pending.touched) {
      for (const id of ids) {
        const body = entryOf(memory, shelf, id)
        if (body === undefined) drop.run(shelf, id)
        else put.run(shelf, id, JSON.stringify(body))
      }
    }
  })()
  pending.touched.clear()
  pending.wiped = false
}
