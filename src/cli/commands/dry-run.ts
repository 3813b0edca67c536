import { chmod, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { ForecastEntry } from '../../report/forecast.ts'
import { type PlanDocument, planSyncs } from '../../run.ts'
import { draining, onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { forecaster } from '../measure-forecast.ts'
import { trackProgress } from '../progress.ts'
import { renderForecasts } from '../render/forecast.ts'
import { toJson } from '../render/json.ts'
import { maskPlan } from '../render/mask.ts'
import { changesOf, isHeld, renderPeople, renderPlan, summarisePlans } from '../render/plan.ts'
import { chosenSyncs, logicalClock, openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const { document, forecasts } = await plan(invocation)
  const shown: PlanDocument = input.flag('showPii') ? document : { ...document, plans: document.plans.map(maskPlan) }
  const file = input.text('save')
  if (file !== undefined) await save(resolve(invocation.io.cwd, file), invocation.secrets.scrubAll(shown))

  if (flags.json) await terminal.write(toJson({ ...shown, ...(forecasts.length > 0 && { experiments: forecasts }) }))
  else {
    const plans = shown.plans.map(each => renderPlan(each, terminal.paint))
    const experiments = forecasts.length === 0 ? [] : [renderForecasts(forecasts, terminal.paint)]
    await terminal.write(`${[...plans, ...experiments].join('\n\n')}\n`)
  }
  terminal.say(`\n${summarisePlans(shown.plans)}`)
  if (shown.people !== undefined) terminal.say(renderPeople(shown.people))
  const held = shown.plans.some(each => isHeld(each) && !each.approval.needed) ? ' --yes' : ''
  if (file !== undefined) terminal.say(`Saved. Execute exactly this with \`activate run --plan ${file}${held}\`.`)
  return input.flag('exitCode') && shown.plans.some(each => changesOf(each) > 0) ? 'changes' : 'ok'
}

interface Planning {
  readonly document: PlanDocument
  readonly forecasts: readonly ForecastEntry[]
}

async function plan(invocation: Invocation): Promise<Planning> {
  const { input, terminal } = invocation
  const samples = input.count('sample') ?? 5
  const limit = input.count('limit', 1)
  const project = await openProject(invocation)
  return withWired(invocation, project, async wired => {
    const asOf = logicalClock(invocation, project, wired.clock.now())
    const syncs = await chosenSyncs(invocation, project, wired)
    const interruption = onInterruption(terminal, draining)
    const tracker = trackProgress(terminal, wired.clock.now)
    try {
      const { onPlanned, entries } = forecaster(wired, asOf, syncs)
      const options = {
        ...{ asOf, samples, fullResync: input.flag('fullResync'), signal: interruption.signal },
        ...(limit === undefined ? {} : { limit }),
        onProgress: tracker.onProgress,
      }
      const document = await planSyncs(wired, syncs, options, onPlanned)
      return { document, forecasts: entries() }
    } finally {
      tracker.stop()
      interruption.release()
    }
  })
}

async function save(file: string, document: PlanDocument): Promise<void> {
  try {
    await writeFile(file, toJson(document), { mode: 0o600 })
    await chmod(file, 0o600) // it may have been there before
  } catch (error) {
    throw new ActivateError(
      'failed',
      { code: 'A8010', message: `cannot write ${file}: ${String(error)}` },
      { cause: error },
    )
  }
}
