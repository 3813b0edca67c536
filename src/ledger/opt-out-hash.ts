import { createHash } from 'node:crypto'

/**
 * What the ledger knows of a value that opted out; to be taken of what is about to be sent as well. `kind` is the name of
 * an identifier with its value normalised as the project says, or of the person's key with its text trimmed (a composite
 * key as its canonical JSON text).
 */
export function hashOfOptOut(kind: string, normalised: string): string {
  return createHash('sha256').update(`${kind}:${normalised}`).digest('hex')
}
