import { type CompiledModel, type CompiledProject, compileModels } from '../../models/compile.ts'
import { closure } from '../../models/graph.ts'
import type { ExitReason } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { dialectOf, logicalClock, openProject } from '../session.ts'
import { unknownName } from '../unknown-name.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const asOf = logicalClock(invocation, project, Date.now())
  const compiled = compileModels(project, { dialect: dialectOf(project), asOf, state: [project.warehouse.state] })
  const explain = input.flag('explain')
  const models = wanted(compiled, input.argument('model'), explain)
  if (flags.json) {
    await terminal.write(
      toJson({ schema: 'activate.compile/1', models: models.map(model => entry(model, project, compiled)) }),
    )
    return 'ok'
  }
  const many = models.length > 1 || explain
  const blocks = models.map((model, index) => {
    const heading = many ? headingOf(model, index, models.length, explain ? reasons(model, project, compiled) : []) : ''
    return `${heading}${model.sql};\n`
  })
  await terminal.write(blocks.join('\n'))
  return 'ok'
}

/** One model, with --explain also all that it needs; or every model. Each comes after what it reads. */
function wanted(compiled: CompiledProject, name: string | undefined, explain: boolean): readonly CompiledModel[] {
  if (name === undefined) return compiled.order.map(compiled.model)
  if (!compiled.models.has(name)) throw unknownName(`there is no model "${name}"`, name, compiled.order, 'models')
  if (!explain) return [compiled.model(name)]
  const needed = closure([name], each => compiled.model(each).dependsOn.models)
  return compiled.order.filter(each => needed.has(each)).map(compiled.model)
}

function headingOf(model: CompiledModel, index: number, total: number, why: readonly string[]): string {
  const position = total > 1 ? `${index + 1} of ${total}: ` : ''
  return [`-- ${position}${model.name} (${model.path})`, ...why.map(line => `--   ${line}`), ''].join('\n')
}

/** Why a model is computed where it is, and by whom it is needed. */
function reasons(model: CompiledModel, project: Project, compiled: CompiledProject): readonly string[] {
  const { models, sources } = model.dependsOn
  const readers = compiled.order.filter(name => compiled.model(name).dependsOn.models.includes(model.name))
  const syncs = project.syncs.filter(sync => sync.model === model.name).map(sync => sync.name)
  return [
    model.relation === undefined
      ? 'ephemeral: pasted into each model that refers to it'
      : `${model.materialised}: made anew as ${model.relation} before it is read`,
    ...(models.length + sources.length === 0 ? ['reads nothing else'] : []),
    ...(models.length === 0 ? [] : [`after ${models.join(', ')}, which it reads`]),
    ...(sources.length === 0 ? [] : [`reads the ${sources.length === 1 ? 'source' : 'sources'} ${sources.join(', ')}`]),
    ...(readers.length === 0 ? [] : [`needed by ${readers.join(', ')}`]),
    ...(syncs.length === 0 ? [] : [`sent by ${syncs.join(', ')}`]),
    ...(readers.length + syncs.length === 0 ? ['needed by nothing'] : []),
  ]
}

function entry(model: CompiledModel, project: Project, compiled: CompiledProject): Record<string, unknown> {
  const { name, path, materialised, sql, relation, dependsOn, create } = model
  return {
    ...{ name, path, materialised, relation: relation ?? null, depends_on: dependsOn, sql },
    statements: [...compiled.statementsFor(name), ...create],
    syncs: project.syncs.filter(sync => sync.model === name).map(sync => sync.name),
  }
}
