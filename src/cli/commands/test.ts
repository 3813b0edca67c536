import type { ExitReason } from '../../project/problem.ts'
import type { Project } from '../../project/project.ts'
import { type Relations, runDeclaredTests, type TestResult } from '../declared-tests.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { maskFields } from '../render/mask.ts'
import { renderTable } from '../render/table.ts'
import { counted, grouped, printable, shorten } from '../render/text.ts'
import { logicalClock, openProject, withWired } from '../session.ts'
import type { Colors } from '../terminal.ts'
import { unknownName } from '../unknown-name.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const asked = chosenRelations(project, flags.select, flags.exclude)
  const found = await withWired(invocation, project, wired =>
    runDeclaredTests(wired, asked, logicalClock(invocation, project, wired.clock.now())),
  )
  const results = input.flag('showPii') ? found : found.map(maskResult)
  if (flags.json) await terminal.write(toJson({ schema: 'activate.test/1', counts: countByStatus(results), results }))
  else await terminal.write(`${renderResults(results, terminal.paint)}\n`)
  return results.some(result => result.status !== 'passed') ? 'failed' : 'ok'
}

function maskResult(result: TestResult): TestResult {
  return { ...result, samples: result.samples.map(sample => maskFields(sample) ?? {}) }
}

export function countByStatus(results: readonly TestResult[]): Readonly<Record<TestResult['status'], number>> {
  const count = (status: TestResult['status']) => results.filter(result => result.status === status).length
  return { passed: count('passed'), failed: count('failed'), broken: count('broken') }
}

/** Models and sources by name, glob or `tag:`; a selector that matches nothing is an error, it may be a slip. */
export function chosenRelations(
  project: Pick<Project, 'sources' | 'models'>,
  select: readonly string[],
  exclude: readonly string[],
): Relations {
  const words = (selectors: readonly string[]) =>
    selectors.flatMap(each => each.split(/\s+/)).filter(word => word !== '')
  const all = [...project.sources, ...project.models]
  for (const word of [...words(select), ...words(exclude)]) {
    if (all.some(relation => matches(relation, word))) continue
    const names = all.map(each => each.name)
    throw unknownName(`no model or source matches "${word}"`, word, names, 'models and sources')
  }
  const isChosen = (relation: Named) =>
    (select.length === 0 || words(select).some(word => matches(relation, word))) &&
    !words(exclude).some(word => matches(relation, word))
  return { sources: project.sources.filter(isChosen), models: project.models.filter(isChosen) }
}

interface Named {
  readonly name: string
  readonly tags: readonly string[]
}

function matches({ name, tags }: Named, word: string): boolean {
  if (word.startsWith('tag:')) return tags.includes(word.slice('tag:'.length))
  const pattern = word
    .replace(/^(model|source):/, '')
    .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
  return new RegExp(`^${pattern}$`).test(name)
}

export function renderResults(results: readonly TestResult[], colors: Colors): string {
  if (results.length === 0) return 'no tests are declared'
  const paint = { passed: colors.green, failed: colors.red, broken: colors.yellow }
  const table = renderTable(
    [{ head: 'of' }, { head: 'test' }, { head: 'result' }, { head: 'offending', align: 'right' }],
    results.map(({ name, describes, status, offending }) => [
      printable(name),
      shorten(printable(describes), 100),
      paint[status](status),
      offending === 0 ? '' : grouped(offending),
    ]),
  )
  const samples = results.flatMap(({ name, test, samples: rows }) => [
    ...(rows.length === 0 ? [] : [colors.bold(`${printable(name)}, ${printable(test)}: for example`)]),
    ...rows.map(row => `  ${shorten(printable(JSON.stringify(row)), 160)}`),
  ])
  const { passed, failed, broken } = countByStatus(results)
  const parts = [
    `${counted(passed, 'test')} passed`,
    `${grouped(failed)} failed`,
    ...(broken === 0 ? [] : [`${grouped(broken)} could not be computed`]),
  ]
  return [table, ...(samples.length === 0 ? [] : [samples.join('\n')]), parts.join(', ')].join('\n\n')
}
