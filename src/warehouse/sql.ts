/**
 * SQL as data. A `Fragment` is text with holes for bound values; builders compose fragments, and `render` turns the
 * whole into the statement that crosses into I/O. A value can only ever become a parameter: text enters a fragment
 * through the template itself, a dialect's `quote`, or `raw`, and nothing else.
 */

export type Value = string | number | bigint | boolean | null

/** What a warehouse executes: text with the dialect's own placeholders, and the values in their order. */
export interface Statement {
  readonly sql: string
  readonly params: readonly Value[]
}

const fragmentMark: unique symbol = Symbol('fragment')

export interface Fragment {
  readonly [fragmentMark]: true
  /** Always one longer than `values`. */
  readonly texts: readonly string[]
  readonly values: readonly Value[]
}

function fragment(texts: readonly string[], values: readonly Value[]): Fragment {
  return { [fragmentMark]: true, texts, values }
}

function isFragment(part: Fragment | Value): part is Fragment {
  return typeof part === 'object' && part !== null
}

/**
 * Builds a fragment: `` sql`select * from ${table} where id = ${id}` `` splices fragments and binds everything else.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly (Fragment | Value)[]): Fragment {
  const texts: string[] = [strings[0] ?? '']
  const values: Value[] = []
  const append = (text: string) => {
    texts[texts.length - 1] += text
  }
  parts.forEach((part, index) => {
    if (isFragment(part)) {
      append(part.texts[0] ?? '')
      part.values.forEach((value, hole) => {
        values.push(value)
        texts.push(part.texts[hole + 1] ?? '')
      })
      append(strings[index + 1] ?? '')
    } else {
      values.push(part)
      texts.push(strings[index + 1] ?? '')
    }
  })
  return fragment(texts, values)
}

/** Trusted text: compiled models, and what a dialect's functions return. Never text that came from a row or a flag. */
export function raw(text: string): Fragment {
  return fragment([text], [])
}

export function join(parts: readonly Fragment[], separator: string): Fragment {
  const between = raw(separator)
  return parts.reduce<Fragment>((whole, part, index) => (index === 0 ? part : sql`${whole}${between}${part}`), raw(''))
}

/** Numbers the holes with the dialect's placeholders (`$1`, `@p1`, `?`). */
export function render(whole: Fragment, placeholder: (index: number) => string): Statement {
  const text = whole.texts.reduce((before, after, index) => `${before}${placeholder(index - 1)}${after}`)
  return { sql: text, params: whole.values }
}
