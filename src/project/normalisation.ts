import { phoneRegion } from './phone-regions.ts'

/**
 * How an identifier is tidied before it is compared, hashed or sent. `trim`: without space around it; `lower` and `email`:
 * that, in lower case; `gmail`: as `email`, and for gmail.com and googlemail.com also without dots and without what follows
 * a plus, as Gmail delivers them; `e164`: a phone number as +447700900123, NULL when it can be none.
 */
export const normalisations = ['email', 'gmail', 'trim', 'lower', 'e164'] as const
export type Normalisation = (typeof normalisations)[number]

/**
 * One step of a normalisation. The warehouse and `normalise` read the same list, so that an address that a person opts out
 * with is the one that was compared in the warehouse.
 *
 * Patterns keep to what RE2, PostgreSQL and JavaScript read alike: classes, groups, anchors and counts; a point only where
 * an earlier step left no line break. Every match is replaced; in what replaces it, \1 is what the first group matched.
 */
export type Step =
  | { readonly kind: 'trim' }
  | { readonly kind: 'lower' }
  | { readonly kind: 'replace'; readonly pattern: string; readonly by: string }
  /** Only for a text that holds a match. */
  | { readonly kind: 'when'; readonly pattern: string; readonly steps: readonly Step[] }

/** The steps in their order. What is left blank by them is no value (NULL, undefined). */
export function stepsOf(normalisation: Normalisation, region?: string): readonly Step[] {
  switch (normalisation) {
    case 'trim':
      return [trim]
    case 'lower':
    case 'email':
      return [trim, lower]
    case 'gmail':
      return [trim, lower, gmailAlias]
    case 'e164':
      return [...digits, ...(region === undefined ? [] : national(region)), noNumber]
  }
}

/** The text tidied, as `normaliseSql` does it in the warehouse; undefined when nothing is left of it. */
export function normalise(text: string, normalisation: Normalisation, region?: string): string | undefined {
  const tidied = stepsOf(normalisation, region).reduce(follow, text)
  return tidied === '' ? undefined : tidied
}

const trim: Step = { kind: 'trim' }
const lower: Step = { kind: 'lower' }

function replace(pattern: string, by: string): Step {
  return { kind: 'replace', pattern, by }
}

/** A name that consists of dots and a tag alone would become nobody's address, and stays as it is. */
const gmailAlias: Step = {
  kind: 'when',
  pattern: '^[.]*[^@+.][^@+]*([+][^@]*)?@(gmail|googlemail)[.]com$',
  // The domain's own point is hidden while the others go; behind a leading one there may have been blanks.
  steps: [replace('[+][^@]*@', '@'), replace('[.]com$', ':'), replace('[.]', ''), replace(':$', '.com'), trim],
}

/**
 * Digits, after a plus when they begin with a calling code (+ or 00). Letters may stand before them (`tel:`); what follows a
 * number, such as an extension, would be read as part of it, so such a text is none. The 0 in `+44 (0)20` is dialled at
 * home only; in Italy it is part of the number, so that there its bracket goes and it stays.
 */
const digits: readonly Step[] = [
  replace('^([^0-9+]*([+]|00)[^0-9A-Za-z+]*39[^0-9A-Za-z+(]*)[(]', '\\1'),
  replace('[(][^0-9A-Za-z+()]*0[^0-9A-Za-z+()]*[)]|[^0-9A-Za-z+]', ''),
  replace('^[A-Za-z]*([+]+|00)', '+'),
]

/** A number without a calling code gets that of its region in place of the trunk prefix. */
function national(region: string): readonly Step[] {
  const { callingCode, trunk } = phoneRegion(region) ?? { callingCode: '', trunk: '' }
  return [
    ...(trunk === '' ? [] : [replace(`^[A-Za-z]*${trunk}`, `+${callingCode}`)]),
    replace('^[A-Za-z]*([0-9])', `+${callingCode}\\1`),
  ]
}

/** ITU-T E.164: at most 15 digits, and no calling code begins with 0. Fewer than 8 are a short code or a typing error. */
const noNumber = replace('^([^+].*|[+]0.*|[+].{0,7}|[+].{16,}|.+[^0-9].*)$', '')

function follow(text: string, step: Step): string {
  switch (step.kind) {
    case 'trim':
      return text.trim()
    case 'lower':
      return Array.from(text, lowerCharacter).join('')
    case 'replace':
      return text.replace(new RegExp(step.pattern, 'gu'), step.by.replace('\\1', '$$1'))
    case 'when':
      return new RegExp(step.pattern, 'u').test(text) ? step.steps.reduce(follow, text) : text
  }
}

/** Capitals that Unicode added in versions 16 and 17: warehouses do not know them yet, and Node only since some release. */
const newCapitals = /[\u1C89\uA7CB\uA7CC\uA7CE\uA7D2\uA7D4\uA7DA\uA7DC\u{10D50}-\u{10D65}\u{16EA0}-\u{16EB8}]/u

/** Character by character, as warehouses do it: not by the neighbours (final sigma), and never into two (İ becomes i). */
export function lowerCharacter(character: string): string {
  if (newCapitals.test(character)) return character
  const [lowered = character] = character.toLowerCase()
  return lowered
}
