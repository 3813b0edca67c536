import { checkDestinations } from '../../delivery/registry.ts'
import { compileModels } from '../../models/compile.ts'
import { ActivateError, type ExitReason, type Problem } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { counted } from '../render/text.ts'
import { dialectOf, knownDestinations, logicalClock, readProject } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, terminal } = invocation
  const project = await readProject(invocation)
  const asOf = logicalClock(invocation, project, Date.now())
  const own = await knownDestinations(project)
  const problems = [...own.problems, ...checkDestinations(project, own.definitions), ...modelProblems(project, asOf)]
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  const counts = {
    sources: project.sources.length,
    models: project.models.length,
    syncs: project.syncs.length,
    outcomes: project.outcomes.length,
    destinations: project.destinations.length,
  }
  const { name, target } = project
  if (flags.json) await terminal.write(toJson({ schema: 'activate.validate/1', project: name, target, ...counts }))
  else await terminal.write(`${terminal.paint.green('ok')}  ${name}: ${describe(counts)}\n`)
  return 'ok'
}

function modelProblems(project: Project, asOf: number): readonly Problem[] {
  try {
    compileModels(project, { dialect: dialectOf(project), asOf, state: [project.warehouse.state] })
    return []
  } catch (error) {
    if (error instanceof ActivateError) return error.problems
    throw error
  }
}

function describe(
  counts: Readonly<Record<'sources' | 'models' | 'syncs' | 'outcomes' | 'destinations', number>>,
): string {
  return [
    counted(counts.sources, 'source'),
    counted(counts.models, 'model'),
    counted(counts.syncs, 'sync'),
    ...(counts.outcomes === 0 ? [] : [counted(counts.outcomes, 'outcome')]),
    counted(counts.destinations, 'destination'),
  ].join(', ')
}
