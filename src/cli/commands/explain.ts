import { ActivateError, type ExitReason, exitCodes } from '../../project/problem.ts'
import { suggestion } from '../../project/suggest.ts'
import { codeBook } from '../code-book.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { renderTable } from '../render/table.ts'

export async function execute({ flags, input, terminal }: Invocation): Promise<ExitReason> {
  const asked = input.argument('code')
  if (asked === undefined) {
    const entries = Object.entries(codeBook)
    const table = renderTable(
      [{ head: 'code' }, { head: 'what' }],
      entries.map(([code, { title }]) => [code, title]),
    )
    const codes = entries.map(([code, entry]) => ({ code, ...entry, exit_code: exitCodes[entry.exit] }))
    await terminal.write(flags.json ? toJson({ schema: 'activate.codes/1', codes }) : `${table}\n`)
    return 'ok'
  }
  const code = asked.toUpperCase().replace(/^(\d)/, 'A$1')
  const entry = codeBook[code]
  if (entry === undefined) throw unknownCode(asked)
  const text = `${terminal.paint.bold(`${code}: ${entry.title}`)}\n\n${wrap(entry.explanation, 100)}\n\nThe process ends with exit code ${exitCodes[entry.exit]} (${entry.exit}).\n`
  await terminal.write(
    flags.json
      ? toJson({ schema: 'activate.codes/1', codes: [{ code, ...entry, exit_code: exitCodes[entry.exit] }] })
      : text,
  )
  return 'ok'
}

function unknownCode(asked: string): ActivateError {
  const hint = suggestion(asked.toUpperCase(), Object.keys(codeBook), 'codes')
  const near = hint?.startsWith('did you mean') ? `${hint} ` : ''
  return new ActivateError('invalid', {
    code: 'A8006',
    message: `there is no error code "${asked}"`,
    help: `${near}\`activate explain\` lists them all`,
  })
}

function wrap(text: string, width: number): string {
  const lines: string[] = ['']
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join('\n')
}
