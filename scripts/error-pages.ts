/** The pages about errors and exit codes, from the code book. Pure. */
import { codeBook } from '../src/cli/code-book.ts'
import { severity } from '../src/cli/exit.ts'
import { exitMeanings } from '../src/cli/reference.ts'
import { markdownTable } from '../src/project/key-table.ts'
import { type ErrorCode, type ExitReason, exitCodes } from '../src/project/problem.ts'

/** Beginnings of codes, the longest that fits decides. */
const rooms: Readonly<Record<string, string>> = {
  A1: 'The project and its files',
  A2: 'Models',
  A3: 'The warehouse',
  A4: 'Planning',
  A5: 'The ledger',
  A503: 'Callbacks',
  A60: 'Delivery',
  A65: 'Destinations',
  A70: 'The schedule',
  A80: 'The command line',
  A85: 'The sandbox',
  A90: 'Runs',
}

export function errorPage(): string {
  const codes = Object.entries(codeBook).sort(([a], [b]) => (a < b ? -1 : 1))
  const homeless = codes.filter(([code]) => !Object.keys(rooms).some(start => code.startsWith(start)))
  if (homeless.length > 0) throw new Error(`no heading for ${homeless.map(([code]) => code).join(', ')}`)
  const sections = Object.entries(rooms).flatMap(([start, title]) => [
    `## ${title}`,
    ...codes.filter(([code]) => roomOf(code) === start).map(([code, entry]) => errorSection(code, entry)),
  ])
  return [
    '# Errors',
    'What `activate explain <code>` prints. Codes are stable: they are never given another meaning.',
    ...sections,
  ].join('\n\n')
}

function roomOf(code: string): string | undefined {
  const fitting = Object.keys(rooms).filter(start => code.startsWith(start))
  return fitting.sort((left, right) => right.length - left.length)[0]
}

function errorSection(code: string, { title, explanation, exit }: ErrorCode): string {
  return `### ${code}\n\n**${escaped(title)}**\n\n${escaped(explanation)}\n\nExit code [${exitCodes[exit]} (${exit})](exit-codes.md).`
}

export function exitCodePage(): string {
  const rows = Object.entries(exitMeanings).map(([name, meaning]) => [
    String(exitCodes[name as ExitReason]),
    name,
    meaning,
    codesEndingIn(name as ExitReason),
  ])
  return [
    '# Exit codes',
    `Of several syncs the worst decides; from harmless to worst: ${severity.join(', ')}.`,
    'What to do about each is in [Operating](../guides/operating.md).',
    markdownTable(['code', 'name', 'meaning', 'errors that end so'], rows),
  ].join('\n\n')
}

function codesEndingIn(exit: ExitReason): string {
  const ending = Object.entries(codeBook).filter(([, entry]) => entry.exit === exit)
  if (ending.length > 12) return `[${ending.length} of them](errors.md)`
  return ending.map(([code]) => `[${code}](errors.md#${code.toLowerCase()})`).join(', ')
}

/** Plain text as Markdown: what stands in backticks is code already, everything else means itself. */
function escaped(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/[\\`*_<[\]]/g, '\\$&')))
    .join('')
}
