import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project, Sync } from '../../project/project.ts'
import { staleWithoutSync } from '../../run/saved-plan.ts'
import { type PlanDocument, type RunDocument, type RunSummary, runSyncs } from '../../run.ts'
import type { Wired } from '../../wire.ts'
import { exitOfRun, worst } from '../exit.ts'
import { draining, onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { readPlanDocument } from '../plan-file.ts'
import { trackProgress } from '../progress.ts'
import { renderProblems } from '../render/errors.ts'
import { toJson } from '../render/json.ts'
import { maskPlan } from '../render/mask.ts'
import { renderRunProblems, renderRuns } from '../render/run.ts'
import { chosenSyncs, logicalClock, openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const saved = await savedPlan(invocation)
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const { document, interrupted } = await run(invocation, project, wired, saved)
    const shown = input.flag('showPii') ? document : { ...document, runs: document.runs.map(maskRun) }
    if (flags.json) await terminal.write(toJson(shown))
    else await terminal.write(`${renderRuns(shown.runs, terminal.paint)}\n`)
    const problems = flags.json ? '' : renderRunProblems(shown.runs, terminal.ink)
    if (problems !== '') terminal.complain(`${problems}\n`)
    if (!flags.json && document.problems !== undefined)
      terminal.complain(renderProblems(document.problems, terminal.ink))
    return worst([...document.runs.map(exitOfRun), ...(interrupted ? (['interrupted'] as const) : [])])
  })
}

async function run(
  invocation: Invocation,
  project: Project,
  wired: Wired,
  saved: PlanDocument | undefined,
): Promise<{ readonly document: RunDocument; readonly interrupted: boolean }> {
  const { input, terminal } = invocation
  const limit = input.count('limit', 1) ?? saved?.options?.limit
  const fullResync = input.flag('fullResync') || saved?.options?.full_resync === true
  // A saved plan was made at its own time: executed at another, it would not be the plan that was reviewed.
  const asOf =
    saved === undefined || invocation.flags.asOf !== undefined
      ? logicalClock(invocation, project, wired.clock.now())
      : Date.parse(saved.as_of)
  refuseVanished(project, saved)
  const syncs = plannedOnly(await chosenSyncs(invocation, project, wired), saved)
  const interruption = onInterruption(terminal, draining)
  const tracker = trackProgress(terminal, wired.clock.now)
  try {
    const document = await runSyncs(wired, syncs, {
      ...{ asOf, samples: input.count('sample') ?? 0, fullResync, yes: input.flag('yes') },
      ...(limit === undefined ? {} : { limit }),
      ...(saved === undefined ? {} : { saved }),
      ...{ signal: interruption.signal, onProgress: tracker.onProgress },
    })
    return { document, interrupted: interruption.signal.aborted }
  } finally {
    tracker.stop()
    interruption.release()
  }
}

function plannedOnly(syncs: readonly Sync[], saved: PlanDocument | undefined): readonly Sync[] {
  if (saved === undefined) return syncs
  return syncs.filter(sync => saved.plans.some(plan => plan.sync === sync.name))
}

/** Executing what is left of a plan would not be executing the plan. */
function refuseVanished({ syncs }: Project, saved: PlanDocument | undefined): void {
  const gone = (saved?.plans ?? []).filter(plan => !syncs.some(sync => sync.name === plan.sync))
  if (gone.length > 0)
    throw new ActivateError(
      'failed',
      gone.map(plan => staleWithoutSync(plan.sync)),
    )
}

async function savedPlan({ input, io }: Invocation): Promise<PlanDocument | undefined> {
  const file = input.text('plan')
  if (file === undefined) return undefined
  try {
    return readPlanDocument(await readFile(resolve(io.cwd, file), 'utf8'))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new ActivateError(
      'invalid',
      {
        code: 'A8008',
        message: `${file} is not a saved plan: ${message}`,
        help: 'write one with `activate dry-run --save FILE`',
      },
      { cause: error },
    )
  }
}

function maskRun(summary: RunSummary): RunSummary {
  return summary.plan === undefined ? summary : { ...summary, plan: maskPlan(summary.plan) }
}
