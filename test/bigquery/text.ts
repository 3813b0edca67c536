/** Just enough of a parser to take a statement of this tool apart at its outermost words. */

const token =
  /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_][\w]*|\(|\)|\[|\]|[\s\S]/g

export interface Word {
  readonly text: string
  readonly from: number
  readonly to: number
}

/** Words and marks outside of parentheses, without space and comments. */
export function outermost(sql: string): readonly Word[] {
  const words: Word[] = []
  let depth = 0
  for (const match of sql.matchAll(token)) {
    const [text] = match
    if (text === ')' || text === ']') depth -= 1
    const isSpace = /^\s$|^--|^\/\*/.test(text)
    if (depth === 0 && !isSpace) words.push({ text, from: match.index, to: match.index + text.length })
    if (text === '(' || text === '[') depth += 1
  }
  return words
}

/** The parts of a text between marks such as `;` or `,` that stand outside of parentheses; empty ones are left out. */
export function splitAt(sql: string, mark: string): readonly string[] {
  const cuts = outermost(sql).filter(({ text }) => text === mark)
  const starts = [0, ...cuts.map(({ to }) => to)]
  return starts
    .map((from, index) => sql.slice(from, cuts[index]?.from ?? sql.length).trim())
    .filter(part => part !== '')
}

/** Where a word stands first outside of parentheses; undefined when it does not. */
export function find(sql: string, word: string): Word | undefined {
  return outermost(sql).find(({ text }) => text.toLowerCase() === word)
}

/** The text of a quoted name. */
export function unquoted(name: string): string {
  return name
    .replace(/^`|`$/g, '')
    .replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\(.)/g, '$1')
}

const varying = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|\/\*[\s\S]*?\*\/|\b\d+\b/g

/** What statements have in common that differ in values and in quoted names alone; and these names, each once. */
export function formOf(sql: string): { readonly form: string; readonly names: readonly string[] } {
  const names: string[] = []
  const form = sql.replace(varying, text => {
    if (!text.startsWith('`')) return /^["']/.test(text) ? "''" : /^\d/.test(text) ? '0' : ' '
    const name = unquoted(text)
    if (!names.includes(name)) names.push(name)
    return `\`${names.indexOf(name)}\``
  })
  return { form, names }
}

/** Where the selects of `in (select …)` stand, the outer ones of those within one another. */
export function listedSelects(sql: string): readonly Pick<Word, 'from' | 'to'>[] {
  const words = [...sql.matchAll(token)].filter(([text]) => !/^\s$|^--|^\/\*/.test(text))
  const found: Pick<Word, 'from' | 'to'>[] = []
  for (let at = 2; at < words.length; at += 1) {
    const [list, open, first] = [words[at - 2], words[at - 1], words[at]]
    if (list?.[0].toLowerCase() !== 'in' || open?.[0] !== '(' || first?.[0].toLowerCase() !== 'select') continue
    let depth = 1
    let end = at
    for (; end < words.length && depth > 0; end += 1) depth += { '(': 1, ')': -1 }[words[end]?.[0] ?? ''] ?? 0
    found.push({ from: first.index, to: words[end - 1]?.index ?? sql.length })
    at = end
  }
  return found
}
