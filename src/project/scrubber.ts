/**
 * Takes secrets out of texts before anybody sees or stores them: whatever a destination, a driver or an operating system
 * writes into an error may hold what it was given. Every secret is registered when it is read, and looked for as it is, in
 * percent and base64 encoding (at each of the three places where it can begin in a group of three bytes, in both alphabets),
 * in hexadecimal, and as JSON writes it. What is encrypted, compressed or spelt backwards cannot be found.
 *
 * Found by looking for every form everywhere and joining what overlaps, so that a secret within a secret, or one that ends
 * where another begins, leaves nothing behind. A form that is cut off, by the end of the text or by an ellipsis, is found too.
 */

export interface Scrubber {
  /** Every later text is without it. */
  register(secret: string): void
  scrub(text: string): string
  /** The same for every text within plain data. */
  scrubAll<Data>(data: Data): Data
}

/** Shorter secrets are only taken out where they stand by themselves; those below `leastLength` stay: they are parts of words. */
export const safeLength = 8
export const leastLength = 4

/** So many characters of a form that is cut off are taken for it. */
const headLength = 6

const mark = '***'

/** An ellipsis, as messages have them. */
const cut = /^["']?(?:…|\.\.\.|$)/

interface Form {
  readonly text: string
  /** Whether it counts within a longer word. */
  readonly anywhere: boolean
}

export function createScrubber(): Scrubber {
  const known = new Set<string>()
  let forms: readonly Form[] = []

  const scrub = (text: string) => {
    if (forms.length === 0 || text === '') return text
    const found = forms.flatMap(form => [...intervals(text, form)])
    return found.length === 0 ? text : without(text, found)
  }
  const scrubAll = (data: unknown): unknown => {
    if (typeof data === 'string') return scrub(data)
    if (typeof data !== 'object' || data === null) return data
    if (Array.isArray(data)) return data.map(scrubAll)
    return Object.fromEntries(Object.entries(data).map(([name, value]) => [scrub(name), scrubAll(value)]))
  }

  return {
    register(secret) {
      const parts = partsOf(secret).filter(part => part.length >= leastLength && !known.has(part))
      if (parts.length === 0) return
      for (const part of parts) known.add(part)
      const texts = new Map([...forms, ...parts.flatMap(formsOf)].map(form => [form.text, form]))
      forms = [...texts.values()]
    },
    scrub,
    scrubAll: <Data>(data: Data) => (forms.length === 0 ? data : (scrubAll(data) as Data)),
  }
}

/** A secret, and what in it is one by itself: the password of a URL, the key behind a prefix, the values of a key file. */
function partsOf(secret: string): readonly string[] {
  const parts = [secret, secret.trim(), secret.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()]
  if (/^whsec_/.test(secret)) parts.push(secret.slice('whsec_'.length))
  if (URL.canParse(secret)) {
    const { password } = new URL(secret)
    parts.push(password, decoded(password))
  }
  if (secret.startsWith('{')) parts.push(...longTexts(secret))
  if (secret.includes('\n')) parts.push(...secret.split(/\r?\n/).filter(line => line.length >= 32))
  return [...new Set(parts)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // it holds a percent sign of its own
  }
}

function longTexts(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json)
    const texts = typeof value === 'object' && value !== null ? Object.values(value) : []
    return texts.filter((text): text is string => typeof text === 'string' && text.length >= 32)
  } catch {
    return [] // no key file, but a secret that begins with a brace
  }
}

function formsOf(secret: string): readonly Form[] {
  if (secret.length < safeLength) return [{ text: secret, anywhere: false }]
  const bytes = Buffer.from(secret, 'utf8')
  // Half of a surrogate pair has no encoding.
  const whole = bytes.toString('utf8')
  const percent = encodeURIComponent(whole)
  const texts = [
    ...[
      secret,
      percent,
      percent.replaceAll(/%[0-9A-F]{2}/g, code => code.toLowerCase()),
      percent.replaceAll('%20', '+'),
    ],
    ...[encodeURI(whole), new URLSearchParams({ '': whole }).toString().slice(1)],
    ...jsonForms(secret),
    ...[0, 1, 2].flatMap(offset => base64Forms(bytes, offset)),
    ...[bytes.toString('hex'), bytes.toString('hex').toUpperCase()],
  ]
  return [...new Set(texts)].filter(text => text.length >= safeLength).map(text => ({ text, anywhere: true }))
}

/** As JSON writes it, within JSON once more, and with slashes or everything beyond ASCII escaped, as some servers do. */
function jsonForms(secret: string): readonly string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replaceAll(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return [json, ascii, json.replaceAll('/', '\\/'), JSON.stringify(json).slice(1, -1)]
}

/** The characters that depend on the secret alone when `offset` bytes of something else stand before it in its group. */
function base64Forms(bytes: Buffer, offset: number): readonly string[] {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  const inner = whole.slice(Math.ceil((offset * 4) / 3), Math.floor(((offset + bytes.length) * 4) / 3))
  return [inner, inner.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(inner)]
}

type Interval = readonly [from: number, to: number]

function* intervals(text: string, { text: form, anywhere }: Form): Generator<Interval> {
  const head = anywhere ? form.slice(0, headLength) : form
  for (let from = text.indexOf(head); from !== -1; from = text.indexOf(head, from + 1)) {
    const length = anywhere ? commonLength(text, from, form) : form.length
    const to = from + length
    if (anywhere ? length === form.length || cut.test(text.slice(to, to + 4)) : standsAlone(text, from, to))
      yield [from, to]
  }
}

function commonLength(text: string, from: number, form: string): number {
  let length = 0
  while (length < form.length && text[from + length] === form[length]) length += 1
  return length
}

function standsAlone(text: string, from: number, to: number): boolean {
  return !/[\p{L}\p{N}]/u.test(text[from - 1] ?? ' ') && !/[\p{L}\p{N}]/u.test(text[to] ?? ' ')
}

function without(text: string, found: readonly Interval[]): string {
  const sorted = [...found].sort((left, right) => left[0] - right[0])
  let clean = ''
  let end = 0
  let start = 0
  for (const [from, to] of [...sorted, [text.length, text.length] as const]) {
    if (from > end || from === text.length) {
      clean += masked(text.slice(start, end)) + text.slice(end, from)
      start = from
    }
    end = Math.max(end, to)
  }
  return clean
}

/** Digits become other digits: where a number was, JSON must have a number. */
function masked(secret: string): string {
  if (secret === '') return ''
  return /^\d+$/.test(secret) ? '9'.repeat(secret.length) : mark
}
