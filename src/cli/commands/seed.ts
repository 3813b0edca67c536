import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project, Source } from '../../project/project.ts'
import { type Seeded, seedCsv } from '../../warehouse/seed.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { grouped, printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'
import { unknownName } from '../unknown-name.ts'

interface Loaded extends Seeded {
  readonly source: string
  readonly relation: string
}

interface CsvSource {
  readonly source: Source
  readonly path: string
}

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const asked = csvSources(project, input.argument('source'))
  const loaded = await withWired(invocation, project, async wired => {
    const warehouse = await wired.warehouse()
    const done: Loaded[] = []
    for (const { source, path } of asked) {
      const relation = [...warehouse.state, `seed__${source.name}`]
      const seeded = await seedCsv(warehouse, { name: source.name, path, columns: source.columns, relation })
      done.push({ source: source.name, relation: warehouse.dialect.relation(relation), ...seeded })
    }
    return done
  })
  if (flags.json) await terminal.write(toJson({ schema: 'activate.seed/1', seeds: loaded }))
  else await terminal.write(`${renderLoaded(loaded)}\n`)
  if (project.warehouse.type === 'duckdb')
    terminal.say('\nDuckDB also reads CSV sources where they are: models need no seed.')
  return 'ok'
}

function csvSources(project: Project, name: string | undefined): readonly CsvSource[] {
  const all = project.sources.flatMap(source => ('csv' in source.from ? [{ source, path: source.from.csv }] : []))
  const asked = name === undefined ? all : all.filter(({ source }) => source.name === name)
  if (asked.length > 0) return asked
  if (name === undefined)
    throw new ActivateError('invalid', { code: 'A8009', message: 'the project has no CSV sources' })
  const names = all.map(({ source }) => source.name)
  throw unknownName(`there is no CSV source "${name}"`, name, names, 'CSV sources')
}

function renderLoaded(loaded: readonly Loaded[]): string {
  return renderTable(
    [{ head: 'source' }, { head: 'rows', align: 'right' }, { head: 'table' }],
    loaded.map(({ source, rows, relation }) => [printable(source), grouped(rows), printable(relation)]),
  )
}
