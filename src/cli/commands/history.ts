import type { Ledger, Run } from '../../ledger/ledger.ts'
import type { ExitReason } from '../../project/problem.ts'
import { unchangedSince } from '../../run/quiet.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { paintStatus, quietRemark } from '../render/run.ts'
import { renderTable } from '../render/table.ts'
import { counted, duration, grouped, instant, printable } from '../render/text.ts'
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
    const deadLetters = await ledger.countOpenLetters('runId')
    const reports = await ledger.countReports(shown.map(({ runId }) => runId))
    if (flags.json) {
      const entries = shown.map(run => ({
        ...historyEntry(run, deadLetters.get(run.runId) ?? 0),
        reports: reports.get(run.runId) ?? {},
      }))
      await terminal.write(toJson({ schema: 'activate.history/1', runs: entries }))
    } else await terminal.write(`${renderHistory(shown, deadLetters, reports, terminal.paint)}\n`)
    return 'ok' as const
  })
}

/** By run and outcome, what destinations reported of the changes that they took. */
type ReportCounts = Awaited<ReturnType<Ledger['countReports']>>

/** One past run as scripts see it, with how many of its dead letters are open. */
export function historyEntry(run: Run, deadLetters: number): Record<string, unknown> {
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
    dead_letters: deadLetters,
    requests: run.requests ?? null,
    retries: run.retries ?? null,
    error: run.error ?? null,
    settled: run.settled,
    unchanged_since: unchangedSince(run) ?? null,
  }
}

export function renderHistory(
  runs: readonly Run[],
  deadLetters: ReadonlyMap<string, number>,
  reports: ReportCounts,
  colors: Colors,
): string {
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
      remark(run, deadLetters.get(run.runId) ?? 0, reports.get(run.runId) ?? {}),
    ]),
  )
}

function remark(run: Run, deadLetters: number, reports: Readonly<Record<string, number>>): string {
  const { error } = run
  const since = unchangedSince(run)
  return [
    ...(since === undefined ? [] : [quietRemark(printable(since))]),
    ...(error === undefined ? [] : [`${error.code}: ${printable(error.message)}`]),
    ...Object.entries(reports).map(([outcome, times]) => `${grouped(times)} reported ${printable(outcome)}`),
    ...(deadLetters > 0 ? [counted(deadLetters, 'open dead letter')] : []),
  ].join('; ')
}
