/**
 * Holdout assignment (architecture section 9): the same number here and in every warehouse, so that anybody can compute
 * again who was withheld. A cryptographic hash makes draws with different salts independent (Kohavi et al., KDD 2009).
 */

/** 2^52: thirteen hex digits, which a double holds exactly. */
const range = 4_503_599_627_370_496

/** `u` in [0, 1) of a salt and a key. `sha256` answers with lower-case hex of the UTF-8 bytes. */
export function unitInterval(sha256: (text: string) => string, salt: string, key: string): number {
  return Number.parseInt(sha256(`${salt}:${key}`).slice(0, 13), 16) / range
}

/** A person is withheld when the least `u` over the records that became them is below the share. */
export function isWithheld(
  sha256: (text: string) => string,
  holdout: { readonly salt: string; readonly share: number },
  keys: readonly string[],
): boolean {
  return Math.min(...keys.map(key => unitInterval(sha256, holdout.salt, key))) < holdout.share
}
