/** What is kept of records that were refused for good, so that people can see them and have them tried again. */
import type { NewDeadLetter } from '../ledger/dead-letter.ts'
import type { ChangeException } from '../ledger/ledger.ts'
import type { Task } from './task.ts'

/** A letter for each rejection among the exceptions with which an attempt of the task is concluded. */
export function deadLettersOf(task: Task, exceptions: readonly ChangeException[]): readonly NewDeadLetter[] {
  const rejected = exceptions.filter(({ state }) => state === 'rejected')
  if (rejected.length === 0) return []
  const sent = new Map(task.changes.map(change => [change.seq, change]))
  const unsendable = new Map(task.unsendable.map(change => [change.seq, change]))
  return rejected.flatMap(({ seq, key, changeId, code, message }) => {
    const change = sent.get(seq) ?? unsendable.get(seq)
    if (change === undefined) return []
    const { runId } = task.request
    const fields = JSON.stringify(change.fields)
    return [
      { runId, changeId, key, op: change.op, class: sent.has(seq) ? 'refused' : 'unsendable', code, message, fields },
    ]
  })
}
