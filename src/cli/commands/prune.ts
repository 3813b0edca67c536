import { isAsked } from '../../plan/retention.ts'
import type { ExitReason } from '../../project/problem.ts'
import { type Pruned, prune } from '../../run/prune.ts'
import { actorOf } from '../deed.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { grouped, printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const dryRun = input.flag('dryRun')
  const pruned = await withWired(invocation, project, wired => prune(wired, { dryRun, actor: actorOf(input, wired) }))
  const { ledger, warehouse, notes } = pruned
  const document = { schema: 'activate.prune/1', dry_run: dryRun, removed: { ledger, warehouse }, notes }
  await terminal.write(flags.json ? toJson(document) : `${rendered(pruned, dryRun)}\n`)
  for (const note of notes) terminal.say(printable(note))
  if (!isAsked(project.retention))
    terminal.say('activate.yml sets no `retention`, so records of people are kept for good')
  return 'ok'
}

function rendered({ ledger, warehouse }: Pruned, dryRun: boolean): string {
  const rows = [
    ...Object.entries(ledger).map(row => ['ledger', ...row]),
    ...Object.entries(warehouse).map(row => ['warehouse', ...row]),
  ]
  if (rows.length === 0) return 'nothing is old enough to go'
  const cells = rows.map(([where, what, n]) => [String(where), printable(String(what)), grouped(Number(n))])
  const table = renderTable([{ head: 'where' }, { head: 'what' }, { head: 'rows', align: 'right' }], cells)
  return `${table}\n\n${dryRun ? 'would go; nothing was changed' : 'removed'}`
}
