/** Hides what looks like a credential, for lines and messages that quote a file. */
import { holdsSecret } from './secret.ts'

const urlPassword = /\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*:([^@\s]+)@|[?&](?:password|token|api_?key|secret)=([^&\s]+)/i

/** The literal password of a URL, or undefined. */
export function literalPassword(text: string): string | undefined {
  const match = urlPassword.exec(text)
  const password = match?.[1] ?? match?.[2]
  return password === undefined || holdsSecret(password) ? undefined : password
}

const looksSecret =
  /((?:token|api_?key|password|passwd|secret|private_?key|access_?key|credentials?|authorization|x-api-key)["']?[ \t]*:[ \t]*)("[^"]*"?[^,}#]*|'[^']*'?[^,}#]*|[^\s,}#][^,}#]*)/gi

/** A line for an error message when its values could not be told apart: what looks like a credential is hidden. */
export function maskLine(line: string): string {
  const keyed = line.replace(looksSecret, (whole, key: string, value: string) =>
    value.includes('$' + '{') || value.startsWith('{') || value.startsWith('[')
      ? whole
      : key + '*'.repeat(value.length),
  )
  const password = literalPassword(keyed)
  return password === undefined ? keyed : keyed.replace(password, '*'.repeat(password.length))
}
