import type { ExitReason } from '../../project/problem.ts'
import { type Finding, findProblems } from '../doctor.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'
import { printable } from '../render/text.ts'
import type { Colors } from '../terminal.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, terminal } = invocation
  const findings = await findProblems(invocation)
  if (flags.json) await terminal.write(toJson({ schema: 'activate.doctor/1', checks: findings }))
  else await terminal.write(`${renderFindings(findings, terminal.paint)}\n`)
  return findings.some(finding => finding.status === 'fail') ? 'failed' : 'ok'
}

export function renderFindings(findings: readonly Finding[], colors: Colors): string {
  const paint = { ok: colors.green, warn: colors.yellow, fail: colors.red }
  return renderTable(
    [{ head: 'check' }, { head: '' }, { head: 'found' }],
    findings.flatMap(({ check, status, found, help }) => [
      [printable(check), paint[status](status), printable(found)],
      ...(help === null ? [] : [['', '', `= help: ${printable(help)}`]]),
    ]),
  )
}
