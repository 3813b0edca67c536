/**
 * Where the ledger's key comes from: a secret that the project refers to as `ledger.key`, or else a file beside the ledger,
 * made when it is first needed. docs/decisions/0018 says what either protects against.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { codeOf, ledgerError } from './failure.ts'
import { type LedgerKey, ledgerKeyOf } from './seal.ts'

/** Fewer characters than this can be guessed, since the secret is not stretched. 64 hexadecimal digits are 256 bits. */
const shortestSecret = 32

/** Gives the key, or says why there is none. */
export type KeySource = (options: {
  /** Whether a key file may be made where there is none: only when nothing was sealed with an earlier one. */
  readonly mayMake: boolean
}) => LedgerKey

/** The key that a secret gives. `read` fetches the secret and throws when it is not there. Throws A5013 for a weak one. */
export function keyOfSecret(read: () => string): KeySource {
  return () => {
    const secret = read().trim()
    if (secret.length < shortestSecret)
      throw ledgerError('A5013', `the secret of ledger.key has ${secret.length} characters, and too few to be safe`, {
        help: `use at least ${shortestSecret} random ones: openssl rand -hex 32`,
      })
    return ledgerKeyOf(secret)
  }
}

export function keyFileOf(ledgerPath: string): string {
  return `${ledgerPath}.key`
}

/** The key in the file beside the ledger. Throws A5011 when it is gone, A5013 when it cannot be read, made or used. */
export function keyBeside(ledgerPath: string): KeySource {
  const file = keyFileOf(ledgerPath)
  return ({ mayMake }) => {
    const known = readKeyFile(file)
    if (known !== undefined) return ledgerKeyOf(known)
    if (!mayMake)
      throw ledgerError('A5011', `the key file ${file} is gone, and the ledger holds what was sealed with it`, {
        help: 'restore it from a backup; it is never made anew by itself. `activate explain A5011` says what can be done without it',
      })
    makeKeyFile(file)
    const made = readKeyFile(file)
    if (made === undefined) throw unusable(file, 'is gone again right after it was made')
    return ledgerKeyOf(made)
  }
}

const keyText = /^[0-9a-f]{64}$/

function readKeyFile(file: string): string | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unusable(file, `cannot be read (${codeOf(error)})`, error)
  }
  if (!keyText.test(text)) throw unusable(file, 'does not hold a key: 64 hexadecimal digits')
  return text
}

/**
 * The file appears with all of its content or not at all, and only one of several processes makes it: linking fails where
 * a file is, and whoever comes second reads what the first one made.
 */
function makeKeyFile(file: string): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const descriptor = openSync(draft, 'wx', 0o600)
    try {
      writeSync(descriptor, `${randomBytes(32).toString('hex')}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    linkSync(draft, file)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unusable(file, `cannot be made (${codeOf(error)})`, error)
  } finally {
    rmSync(draft, { force: true })
  }
}

function unusable(file: string, why: string, cause?: unknown) {
  return ledgerError('A5013', `the key file ${file} ${why}`, {
    help: 'check the file and the permissions of its folder, or restore it from a backup',
    ...(cause === undefined ? {} : { cause }),
  })
}
