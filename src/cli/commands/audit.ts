import type { AuditEntry } from '../../ledger/governance.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { instant, printable, shorten } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'
import type { Colors } from '../terminal.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const limit = input.count('limit', 1) ?? 20
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const ledger = await wired.ledger()
    const entries = await ledger.audit({ limit })
    if (flags.json) await terminal.write(toJson({ schema: 'activate.audit/1', entries: entries.map(auditEntry) }))
    else await terminal.write(`${renderAudit(entries, terminal.paint)}\n`)
    return 'ok' as const
  })
}

/** An entry as scripts see it. */
function auditEntry({ ordinal, at, actor, action, subject, detail, previousHash, hash }: AuditEntry) {
  const time = new Date(at).toISOString()
  return { ordinal, at: time, by: actor, action, subject, detail, previous_hash: previousHash, hash }
}

function renderAudit(entries: readonly AuditEntry[], colors: Colors): string {
  if (entries.length === 0) return 'nothing is in the trail yet'
  return renderTable(
    [
      { head: '#', align: 'right' },
      { head: 'when' },
      { head: 'who' },
      { head: 'did' },
      { head: 'to' },
      { head: 'why' },
      { head: 'hash' },
    ],
    entries.map(({ ordinal, at, actor, action, subject, detail, hash }) => [
      String(ordinal),
      instant(at),
      printable(actor),
      action,
      printable(subject),
      shorten(printable(reasonIn(detail)), 60),
      colors.dim(hash.slice(0, 12)),
    ]),
  )
}

/** What a person said, or what a guard and the sync's settings objected to. */
function reasonIn({ reason, approval, guard }: AuditEntry['detail']): string {
  const said = [reason, approval, ...(Array.isArray(guard) ? guard : [])]
  return said.filter(text => typeof text === 'string').join('; ')
}
