/** PostgreSQL's identifiers. The server cuts a longer one off without a word, and two tables would become one. */
import { createHash } from 'node:crypto'
import { ActivateError } from '../project/problem.ts'

/** Bytes of UTF-8 (NAMEDATALEN - 1, as every distributed server is built). */
const longestName = 63
/** What remains of a longer name, so that a listing by prefix still finds it. */
const keptBytes = 46

export function quoteName(identifier: string): string {
  if (identifier === '' || identifier.includes('\0')) {
    throw new ActivateError('invalid', {
      code: 'A3006',
      message: identifier === '' ? 'a name is empty' : `the name ${JSON.stringify(identifier)} holds a NUL character`,
    })
  }
  if (Buffer.byteLength(identifier) > longestName) {
    throw new ActivateError('invalid', {
      code: 'A3036',
      message: `the name ${JSON.stringify(identifier)} is longer than the ${longestName} bytes that PostgreSQL keeps of one`,
      help: 'give the column a shorter name',
    })
  }
  return `"${identifier.replaceAll('"', '""')}"`
}

/** The name under which a table of ours stands: its own where it fits, else its beginning and a digest of all of it. */
export function tableName(name: string): string {
  if (Buffer.byteLength(name) <= longestName) return name
  const digest = createHash('sha256')
    .update(name)
    .digest('hex')
    .slice(0, longestName - keptBytes - 1)
  return `${beginning(name)}_${digest}`
}

/** What every table whose name starts with `prefix` starts with. */
export function tablePrefix(prefix: string): string {
  return Buffer.byteLength(prefix) <= keptBytes ? prefix : beginning(prefix)
}

/** Whole characters only. */
function beginning(name: string): string {
  let kept = ''
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > keptBytes) break
    kept += character
  }
  return kept
}

/** A dotted relation, each part quoted, its table under the name that it has room for. */
export function relationName(parts: readonly string[]): string {
  return parts.map((part, index) => quoteName(index === parts.length - 1 ? tableName(part) : part)).join('.')
}

/** A plain literal knows no escapes, because `standard_conforming_strings` is on. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
