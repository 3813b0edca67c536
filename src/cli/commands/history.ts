import type { Run } from '../../ledger/ledger.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { paintStatus } from '../render/run.ts'
import { renderTable } from '../render/table.ts'
import { duration, grouped, instant, printable } from '../render/text.ts'
import { chosenSyncs, openProject, withWired } from '../session.ts'
import type { Colors } from '../terminal.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const limit = input.count('limit', 1) ?? 20
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const ledger = await wired.ledger()
    const runs: Run[] = []
    if (flags.select.length + flags.exclude.length === 0) runs.push(...(await ledger.runs({ limit })))
    else
      for (const sync of await chosenSyncs(invocation, project, wired))
        runs.push(...(await ledger.runs({ sync: sync.name, limit })))
    const shown = runs.sort((left, right) => right.startedAt - left.startedAt).slice(0, limit)
    if (flags.json) await terminal.write(toJson({ schema: 'activate.history/1', runs: shown.map(historyEntry) }))
    else await terminal.write(`${renderHistory(shown, terminal.paint)}\n`)
    return 'ok' as const
  })
}

/** One past run as scripts see it. */
export function historyEntry(run: Run): Record<string, unknown> {
  const iso = (time: number | undefined) => (time === undefined ? null : new Date(time).toISOString())
  return {
    run_id: run.runId,
    sync: run.sync,
    status: run.status,
    as_of: iso(run.asOf),
    nominal_at: iso(run.nominalAt),
    started_at: iso(run.startedAt),
    finished_at: iso(run.finishedAt),
    plan_hash: run.planHash ?? null,
    outcomes: run.outcomes ?? null,
    requests: run.requests ?? null,
    retries: run.retries ?? null,
    error: run.error ?? null,
    settled: run.settled,
  }
}

export function renderHistory(runs: readonly Run[], colors: Colors): string {
  if (runs.length === 0) return 'no runs yet'
  const right = (head: string) => ({ head, align: 'right' as const })
  return renderTable(
    [
      { head: 'as of' },
      { head: 'sync' },
      { head: 'status' },
      right('acked'),
      right('rejected'),
      right('parked'),
      right('pending'),
      right('took'),
      { head: 'run' },
      { head: '' },
    ],
    runs.map(run => [
      instant(run.asOf),
      printable(run.sync),
      paintStatus(run.status, colors),
      ...(['acked', 'rejected', 'parked', 'pending'] as const).map(outcome =>
        run.outcomes === undefined ? '' : grouped(run.outcomes[outcome]),
      ),
      run.finishedAt === undefined ? '' : duration(run.finishedAt - run.startedAt),
      colors.dim(run.runId),
      run.error === undefined ? '' : `${run.error.code}: ${printable(run.error.message)}`,
    ]),
  )
}
