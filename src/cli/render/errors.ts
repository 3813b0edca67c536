/** Problems as rustc would print them: what, where with the line itself, and how to mend it. */
import type { Place, Problem } from '../../project/problem.ts'
import type { Colors } from '../terminal.ts'
import { counted, printable, printableBlock } from './text.ts'

/** Wider lines are cut around the caret. */
const lineWidth = 160

export function renderProblems(problems: readonly Problem[], colors: Colors): string {
  const blocks = problems.map(problem => renderProblem(problem, colors))
  const total = problems.length > 1 ? [colors.bold(colors.red(`${counted(problems.length, 'problem')} found`))] : []
  return [...blocks, ...total].join('\n\n')
}

export function renderProblem(problem: Problem, colors: Colors): string {
  const [title = '', ...details] = printableBlock(problem.message).split('\n')
  const head = `${colors.bold(colors.red(`error[${problem.code}]`))}${colors.bold(`: ${title}`)}`
  const { hint, help } = splitHelp(problem.help)
  const body = problem.place === undefined ? [] : pointAt(problem.place, hint, colors)
  const indent = ' '.repeat(problem.place?.source === undefined ? 2 : gutterWidth(problem.place))
  const said = problem.place?.source === undefined ? [hint, help].filter(part => part !== '').join(' ') : help
  const explain = `\`activate explain ${problem.code}\``
  const footer = said === '' ? explain : `${said} — ${explain}`
  const lines = footer.split('\n')
  return [
    head,
    ...details.map(line => `  ${line}`),
    ...body,
    `${indent}${colors.cyan('=')} help: ${lines[0]}`,
    ...lines.slice(1).map(line => `${indent}  ${line}`),
  ].join('\n')
}

/** "did you mean …?" belongs under the caret, the rest of the help below. */
function splitHelp(help: string | undefined): { readonly hint: string; readonly help: string } {
  const text = printableBlock(help ?? '').trim()
  const hint = /^did you mean [^?\n]*\?/i.exec(text)?.[0] ?? ''
  return { hint, help: text.slice(hint.length).trim() }
}

function gutterWidth(place: Place): number {
  return String(place.line).length + 2
}

function pointAt(place: Place, hint: string, colors: Colors): readonly string[] {
  const where = `  ${colors.cyan('-->')} ${printable(place.file)}:${place.line}:${place.column}`
  if (place.source === undefined) return [where]
  const blank = ' '.repeat(gutterWidth(place))
  const bar = colors.cyan('|')
  const { text, column } = clip(place.source.replaceAll('\t', ' '), place.column)
  const room = Math.max(1, text.length - column + 1)
  const caret = '^'.repeat(Math.min(Math.max(1, place.length ?? 1), room))
  const pointer = `${' '.repeat(Math.max(0, column - 1))}${colors.red(hint === '' ? caret : `${caret} ${hint}`)}`
  return [
    where,
    `${blank}${bar}`,
    ` ${colors.cyan(String(place.line))} ${bar} ${printable(text)}`,
    `${blank}${bar} ${pointer}`,
  ]
}

/** A window of the line that holds the column. */
function clip(source: string, column: number): { readonly text: string; readonly column: number } {
  const text = source.trimEnd()
  if (text.length <= lineWidth) return { text, column }
  const from = Math.max(0, Math.min(column - Math.floor(lineWidth / 2), text.length - lineWidth))
  return { text: text.slice(from, from + lineWidth), column: column - from }
}
