import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project, Sync } from '../../project/project.ts'
import { runSyncs } from '../../run.ts'
import { runSchedule, type ScheduledSync, type ScheduleEvent } from '../../schedule/loop.ts'
import type { Wired } from '../../wire.ts'
import { onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { renderProblems } from '../render/errors.ts'
import { duration, instant, printable } from '../render/text.ts'
import { chosenSyncs, openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { terminal } = invocation
  const project = await openProject(invocation)
  const syncs = scheduled(await withWired(invocation, project, wired => chosenSyncs(invocation, project, wired)))
  const interruption = onInterruption(
    terminal,
    '\nstopping: the run that is under way ends first; once more stops at once',
  )
  try {
    await withWired(invocation, project, wired =>
      runSchedule({
        syncs,
        zone: project.timezone,
        ledger: wired.ledger,
        now: wired.clock.now,
        run: (sync, nominalAt) => runOnce(invocation, project, wired, sync, nominalAt, interruption.signal),
        log: event => terminal.say(describeEvent(event, wired.clock.now())),
        signal: interruption.signal,
      }),
    )
    return 'ok'
  } finally {
    interruption.release()
  }
}

function scheduled(syncs: readonly Sync[]): readonly ScheduledSync[] {
  const due = syncs.flatMap(({ name, schedule, enabled }) =>
    schedule === undefined || !enabled ? [] : [{ name, schedule }],
  )
  if (due.length > 0) return due
  throw new ActivateError('invalid', {
    code: 'A7001',
    message: 'none of the selected syncs has a schedule',
    help: 'give a sync a line such as `schedule: "0 2 * * *"`',
  })
}

/**
 * One sync, once. The warehouse is opened for the run and closed after it, so that other commands can use its file in
 * between; the ledger stays open.
 */
async function runOnce(
  invocation: Invocation,
  project: Project,
  daemon: Wired,
  name: string,
  nominalAt: number,
  signal: AbortSignal,
): Promise<{ readonly runId: string | undefined; readonly status: string }> {
  return withWired(invocation, project, async wired => {
    const syncs = project.syncs.filter(sync => sync.name === name)
    const { runs, problems = [] } = await runSyncs(wired, syncs, {
      asOf: daemon.clock.now(),
      nominalAt,
      ...{ samples: 0, fullResync: false, yes: false, signal },
      onProgress: () => undefined,
    })
    const [run] = runs
    for (const problem of [...(run?.problems ?? []), ...problems]) {
      invocation.terminal.complain(renderProblems([problem], invocation.terminal.ink))
    }
    return { runId: run?.run_id, status: run?.status ?? 'interrupted' }
  })
}

/** One line of the daemon's log. */
export function describeEvent(event: ScheduleEvent, now: number): string {
  return `${new Date(now).toISOString()} ${sentence(event)}`
}

function sentence(event: ScheduleEvent): string {
  switch (event.kind) {
    case 'started': {
      const next = event.next === undefined ? 'none is ever due' : `next due ${instant(event.next)}`
      return `schedule of ${event.syncs} ${event.syncs === 1 ? 'sync' : 'syncs'} started, ${next}`
    }
    case 'due': {
      const late = event.late >= 120_000 ? `, ${duration(event.late)} late` : ''
      return `${event.sync}: run of ${instant(event.nominalAt)}${late}${event.again ? ', resumed' : ''}`
    }
    case 'skipped':
      return `${event.sync}: ${event.times.length} earlier due ${event.times.length === 1 ? 'time' : 'times'} missed and skipped`
    case 'finished':
      return `${event.sync}: run of ${instant(event.nominalAt)} ${event.status}${event.runId === undefined ? '' : ` (${event.runId})`}`
    case 'failed': {
      const message = event.error instanceof Error ? event.error.message : String(event.error)
      return `${event.sync === undefined ? '' : `${event.sync}: `}failed, tried again at the next tick or due time: ${printable(message)}`
    }
    case 'stopping':
      return 'stopping'
    case 'stopped':
      return 'stopped'
  }
}
