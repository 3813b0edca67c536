/**
 * Whether a select gives the same as long as the tables that it names stay as they are. Pure, and only ever sure of a yes: what it does
 * not know it takes for a no.
 */
import { type Flavour, scan, type Token } from './scanner.ts'

/** What reads a clock, chance, who asks, or rows from elsewhere (GoogleSQL, read 2026-08). */
const unsteady = new Set([
  ...['current_date', 'current_time', 'current_datetime', 'current_timestamp', 'now', 'localtime', 'localtimestamp'],
  ...['rand', 'random', 'generate_uuid', 'session_user', 'current_user', 'external_query', 'external_object_transform'],
  ...['tablesample', 'system_time', 'appends', 'changes'],
])

/** Prefixes of functions that depend on nothing but what they are given. */
const prefixes = ['safe', 'net']

/** `relations` are as they stand in the select, quoted: those of sources, and of models that are steady themselves. */
export function isSteady(sql: string, flavour: Flavour, relations: ReadonlySet<string>): boolean {
  const tokens = scan(sql, flavour).filter(({ kind }) => kind !== 'comment')
  const texts = tokens.map(({ start, end }) => sql.slice(start, end))
  if (tokens.some(({ kind }) => kind === 'parameter' || kind === 'unterminated' || kind === 'invisible')) return false
  if (tokens.some(({ kind }, index) => kind === 'word' && unsteady.has((texts[index] ?? '').toLowerCase())))
    return false

  const own = [...relations].map(relation => plain(relation).split('.').at(-1) ?? '')
  const known = new Set([...prefixes, ...own])
  tokens.forEach((token, index) => {
    if (isName(token) && texts[index - 1] !== '.' && texts[index + 1] !== '.') known.add(plain(texts[index] ?? ''))
  })
  return tokens.every((token, index) => {
    const [before, text = '', after] = [texts[index - 1]?.toLowerCase(), texts[index], texts[index + 1]]
    if (!isName(token) || before === '.' || relations.has(text)) return true
    // A path begins here: a column of something that has a name of its own, or a table or function of somebody else.
    const isPath = after === '.' || (token.kind === 'name' && text.includes('.'))
    return !isPath || (before !== 'from' && before !== 'join' && known.has(plain(text)))
  })
}

function isName({ kind }: Token): boolean {
  return kind === 'word' || kind === 'name'
}

function plain(name: string): string {
  return name.replace(/^[`"]|[`"]$/g, '').toLowerCase()
}
