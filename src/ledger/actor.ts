/** Who is at the keyboard, for the audit trail. */
import { userInfo } from 'node:os'

/** ACTIVATE_USER, else the operating system's name for the user, else its number. */
export function currentActor(env: Readonly<Record<string, string | undefined>>): string {
  const given = env.ACTIVATE_USER?.trim() ?? ''
  return given === '' ? systemUser() : given
}

/** A container may run under a number that no name belongs to. */
function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
