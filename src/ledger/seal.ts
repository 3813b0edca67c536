/**
 * Sealing at rest: what the ledger keeps of a person beyond their key is encrypted before it reaches the file. One secret
 * gives, by HKDF (RFC 5869), a key for each use, so that what is learnt of one says nothing of the other:
 *
 *   seal    AES-256-GCM with a random nonce of 96 bits (NIST SP 800-38D, 8.2.2), for texts that are read again
 *   hash    HMAC-SHA256, for values that are only compared: whoever has the file alone cannot try out guesses
 *   id      tells keys apart without telling anything about them
 *
 * A sealed text names the key by its id and is bound to what it belongs to: taken to another row it does not open. Random
 * nonces are sound for 2^32 texts under one key; a ledger seals a text per refused record and never comes near.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { ledgerError } from './failure.ts'

export interface LedgerKey {
  /** 16 hexadecimal digits. */
  readonly id: string
  /** `about` is the identity that the text is bound to, such as the kind, the id and the sync of its row. */
  readonly seal: (text: string, about: readonly string[]) => Buffer
  /** Throws A5012 for what another key has sealed, A5014 for what is not as it was sealed, or belongs elsewhere. */
  readonly open: (sealed: Uint8Array, about: readonly string[]) => string
  /** 64 hexadecimal digits. `kind` keeps equal values of different kinds apart. */
  readonly hash: (kind: string, value: string) => string
}

/** The first byte of everything sealed, so that a later version can seal otherwise. */
const version = 1
const idBytes = 8
const nonceBytes = 12
const tagBytes = 16
const headBytes = 1 + idBytes + nonceBytes

/** `secret` is used as it is, without stretching: it must be random, see `key.ts`. */
export function ledgerKeyOf(secret: string): LedgerKey {
  const subkey = (use: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `activate/ledger/${use}/1`, bytes))
  const sealing = subkey('seal', 32)
  const hashing = subkey('hash', 32)
  const idOfKey = subkey('id', idBytes)
  const id = idOfKey.toString('hex')

  return {
    id,

    seal(text, about) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce)
      cipher.setAAD(boundTo(about))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(version), idOfKey, nonce, body, cipher.getAuthTag()])
    },

    open(sealed, about) {
      const whole = Buffer.from(sealed)
      if (whole.length < headBytes + tagBytes || whole[0] !== version) throw altered(about)
      const sealedBy = keyIdOf(whole)
      if (sealedBy !== id) throw wrongKey(sealedBy, id)
      const decipher = createDecipheriv('aes-256-gcm', sealing, whole.subarray(1 + idBytes, headBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(boundTo(about))
      decipher.setAuthTag(whole.subarray(-tagBytes))
      try {
        const body = decipher.update(whole.subarray(headBytes, -tagBytes))
        return Buffer.concat([body, decipher.final()]).toString('utf8')
      } catch (cause) {
        throw altered(about, cause)
      }
    },

    hash: (kind, value) =>
      createHmac('sha256', hashing)
        .update(JSON.stringify([kind, value]))
        .digest('hex'),
  }
}

/** The id of the key that sealed this. */
export function keyIdOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(1, 1 + idBytes)).toString('hex')
}

/** JSON keeps ["a", "bc"] and ["ab", "c"] apart. */
function boundTo(about: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(about), 'utf8')
}

export function wrongKey(sealedBy: string, given: string) {
  return ledgerError('A5012', `the ledger was sealed with the key ${sealedBy}, and the key that is given is ${given}`, {
    help: 'give the key that the ledger began with, under `ledger.key` or as the key file beside the ledger; `activate explain A5012` says what can be done without it',
  })
}

function altered(about: readonly string[], cause?: unknown) {
  return ledgerError('A5014', `what is sealed as ${about.slice(0, 2).join(' ')} is not as it was written`, {
    help: 'restore the ledger from a backup, or drop the entry',
    ...(cause === undefined ? {} : { cause }),
  })
}
