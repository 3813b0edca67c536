import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { prepareTable } from '../../plan/state-tables.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import type { Project, Sync } from '../../project/project.ts'
import { resultsTable } from '../../report/bi-tables.ts'
import { renderReportPage } from '../../report/page/page.ts'
import type { ReportDocument } from '../../report/report.ts'
import { resultColumns, resultRows, resultStatements } from '../../report/results.ts'
import { raw, render } from '../../warehouse/sql.ts'
import type { Wired } from '../../wire.ts'
import { exitOfReport } from '../exit.ts'
import type { Invocation } from '../invocation.ts'
import { readReport } from '../measure.ts'
import { renderProblems } from '../render/errors.ts'
import { toJson } from '../render/json.ts'
import { renderReport } from '../render/report.ts'
import { chosenSyncs, logicalClock, openProject, withWired } from '../session.ts'
import { unknownName } from '../unknown-name.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const report = await withWired(invocation, project, async wired => {
    const asOf = logicalClock(invocation, project, wired.clock.now())
    const made = await readReport(wired, asOf, await askedSyncs(invocation, project, wired))
    if (input.flag('writeBack')) await writeResults(wired, made)
    return made
  })
  const file = input.text('html')
  if (file !== undefined) {
    const page = renderReportPage(invocation.secrets.scrubAll(report), invocation.secrets.scrub(project.name))
    await save(resolve(invocation.io.cwd, file), page)
    terminal.say(`wrote ${file}`)
  }
  await terminal.write(flags.json ? toJson(report) : `${renderReport(report, terminal.paint)}\n`)
  if (report.problems.length === 0) return 'ok'
  if (!flags.json) terminal.complain(renderProblems(report.problems, terminal.ink))
  return exitOfReport(report.problems)
}

/** One transaction; the same report once more replaces itself. */
async function writeResults(wired: Wired, report: ReportDocument): Promise<void> {
  const warehouse = await wired.warehouse()
  const { dialect, state } = warehouse
  const table = raw(dialect.relation([...state, resultsTable]))
  await prepareTable(warehouse, table, resultColumns)
  const statements = resultStatements(dialect, table, report, resultRows(report, wired.clock.now()))
  await warehouse.transaction(statements.map(statement => render(statement, dialect.placeholder)))
}

async function save(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page)
  } catch (error) {
    throw new ActivateError(
      'failed',
      { code: 'A8010', message: `cannot write ${file}: ${String(error)}` },
      { cause: error },
    )
  }
}

/** Undefined when nobody asked for any: then shared holdouts are reported as a whole, too. */
async function askedSyncs(
  invocation: Invocation,
  project: Project,
  wired: Wired,
): Promise<readonly Sync[] | undefined> {
  const { flags, input } = invocation
  const name = input.argument('sync')
  if (name !== undefined) {
    const sync = project.syncs.find(each => each.name === name)
    const names = project.syncs.map(each => each.name)
    if (sync === undefined) throw unknownName(`there is no sync "${name}"`, name, names, 'syncs')
    return [sync]
  }
  if (flags.select.length + flags.exclude.length === 0) return undefined
  return chosenSyncs(invocation, project, wired)
}
