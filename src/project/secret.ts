/**
 * Secrets are references only: `${env:NAME}` and `${file:path}`. Texts with references travel through the tool
 * unresolved; values are asked for when a connection is set up, and never appear in an error.
 */
import { z } from 'zod'
import { ActivateError, type Place, type Problem } from './problem.ts'
import type { SecretRef, SecretText } from './project.ts'

const reference = /\$\{(env|file):([^{}]+)\}/g
const names = { env: /^[A-Za-z_][A-Za-z0-9_]*$/, file: /^[^\0\r\n]+$/ } as const
export const secretHelp = `refer to it: "\${env:NAME}" reads an environment variable, "\${file:path}" a file`

/** Splits a text at its references. Text that merely looks like one, such as `${NAME}`, stays text. */
export function parseSecretText(text: string, place?: Place): SecretText {
  const parts: (string | SecretRef)[] = []
  let end = 0
  for (const match of text.matchAll(reference)) {
    if (match.index > end) parts.push(text.slice(end, match.index))
    const secret = match[1] === 'file' ? 'file' : 'env'
    parts.push({ secret, name: (match[2] ?? '').trim(), ...(place === undefined ? {} : { place }) })
    end = match.index + match[0].length
  }
  if (end < text.length) parts.push(text.slice(end))
  return parts
}

/** Whether a text holds at least one reference. */
export function holdsSecret(text: string): boolean {
  return parseSecretText(text).some(part => typeof part !== 'string')
}

/** What is wrong with the references of a text, or undefined: `${NAME}`, `${vault:x}`, `${env:}` would be sent as they are. */
export function malformedReference(text: string): string | undefined {
  for (const part of parseSecretText(text)) {
    if (typeof part === 'string') {
      const odd = /\$\{[^}]*\}?/.exec(part)
      if (odd !== null) return odd[0]
    } else if (!names[part.secret].test(part.name)) return `\${${part.secret}:${part.name}}`
  }
  return undefined
}

function checkReferences(text: string, context: z.RefinementCtx): void {
  const odd = malformedReference(text)
  if (odd === undefined) return
  context.addIssue({
    code: 'custom',
    message: `${odd} is not a reference`,
    params: { code: 'A1141', help: secretHelp },
  })
}

/** A credential in a settings schema: text that must hold a reference. The output is the text, still unresolved. */
export function secret() {
  return z
    .string()
    .superRefine((text, context) => {
      if (holdsSecret(text)) checkReferences(text, context)
      else
        context.addIssue({
          code: 'custom',
          message: 'a literal credential',
          params: { code: 'A1140', help: secretHelp },
        })
    })
    .meta({ pattern: '\\$\\{(env|file):[^{}]+\\}', examples: [`\${env:NAME}`, `\${file:path}`] })
}

/** Text that may hold references. The output is the text, still unresolved. */
export function secretText() {
  return z.string().superRefine(checkReferences)
}

export interface SecretReaders {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a file as text; relative paths are the caller's to place. Throws when it cannot. */
  readonly readFile: (path: string) => string
  /** Told of every value that is read, so that it can be kept out of what is shown and stored. */
  readonly onSecret?: ((value: string) => void) | undefined
}

/** Collects what could not be read, so that all missing credentials are reported at once. */
function read(ref: SecretRef, readers: SecretReaders, problems: Problem[]): string {
  const place = ref.place === undefined ? {} : { place: ref.place }
  if (ref.secret === 'env') {
    const value = Object.hasOwn(readers.env, ref.name) ? readers.env[ref.name] : undefined
    if (value !== undefined && value !== '') return told(value, readers)
    const message = `the environment variable ${ref.name} is ${value === undefined ? 'not set' : 'empty'}`
    problems.push({ code: 'A1150', message, ...place, help: `set ${ref.name} before running activate` })
    return ''
  }
  try {
    // Files written by editors and secret mounts end in a newline that is not part of the secret.
    const value = readers.readFile(ref.name).replace(/\r?\n$/, '')
    if (value !== '') return told(value, readers)
    problems.push({ code: 'A1151', message: `the secret file ${ref.name} is empty`, ...place })
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    problems.push({ code: 'A1151', message: `the secret file ${ref.name} cannot be read${reason}`, ...place })
  }
  return ''
}

function told(value: string, { onSecret }: SecretReaders): string {
  onSecret?.(value)
  return value
}

function join(text: SecretText, readers: SecretReaders, problems: Problem[]): string {
  return text.map(part => (typeof part === 'string' ? part : read(part, readers, problems))).join('')
}

function throwMissing(problems: readonly Problem[]): void {
  const unique = new Map(problems.map(problem => [problem.message, problem]))
  if (unique.size > 0) throw new ActivateError('credentials', [...unique.values()])
}

/** The text with its references replaced. Throws ActivateError (exit `credentials`) A1150 or A1151, never naming a value. */
export function resolveSecretText(text: SecretText, readers: SecretReaders): string {
  const problems: Problem[] = []
  const value = join(text, readers, problems)
  throwMissing(problems)
  return value
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * A copy of plain data with every reference in every string replaced. All that is missing is reported at once.
 * `places` says where a value stands, by its dotted path (as in `DestinationSettings.places`).
 */
export function resolveSecrets(
  value: unknown,
  readers: SecretReaders,
  places: Readonly<Record<string, Place>> = {},
): unknown {
  const problems: Problem[] = []
  const walk = (part: unknown, path: string): unknown => {
    if (typeof part === 'string') return join(parseSecretText(part, places[path]), readers, problems)
    const inner = (name: string | number) => (path === '' ? String(name) : `${path}.${name}`)
    if (Array.isArray(part)) return part.map((item, index) => walk(item, inner(index)))
    if (!isPlainObject(part)) return part
    return Object.fromEntries(Object.entries(part).map(([name, item]) => [name, walk(item, inner(name))]))
  }
  const resolved = walk(value, '')
  throwMissing(problems)
  return resolved
}

/** Every reference in plain data, in order, each once. */
export function listSecretRefs(value: unknown): SecretRef[] {
  const found = new Map<string, SecretRef>()
  const walk = (part: unknown): void => {
    if (typeof part === 'string') {
      for (const piece of parseSecretText(part))
        if (typeof piece !== 'string') found.set(`${piece.secret}:${piece.name}`, piece)
    } else if (Array.isArray(part)) part.forEach(walk)
    else if (isPlainObject(part)) Object.values(part).forEach(walk)
  }
  walk(value)
  return [...found.values()]
}
