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
