import { ActivateError } from '../project/problem.ts'
import { suggestion } from '../project/suggest.ts'

/** A8009 for a name that is none of `known`, with the one that may have been meant. `nouns` is what they are, such as `syncs`. */
export function unknownName(message: string, name: string, known: readonly string[], nouns: string): ActivateError {
  const help = suggestion(name, known, nouns)
  return new ActivateError('invalid', { code: 'A8009', message, ...(help === undefined ? {} : { help }) })
}
