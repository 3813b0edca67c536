/** What every engine has to take for space and for a small letter, so that addresses are tidied there as they are in TypeScript. */
import { lowerCharacter } from '../project/normalisation.ts'

/** What JavaScript's `trim` removes beyond ASCII; U+2000 to U+200A are the typographic spaces. */
export function spacesBeyondAscii(): string {
  const typographic = Array.from({ length: 11 }, (_, index) => String.fromCodePoint(0x2000 + index))
  return ['\u00A0', '\u1680', ...typographic, '\u2028', '\u2029', '\u202F', '\u205F', '\u3000', '\uFEFF'].join('')
}

interface Lowerings {
  readonly upper: string
  readonly lower: string
}

let known: Lowerings | undefined

/** The small letter of every capital, as two texts of the same length. A walk through Unicode, so it is made once. */
export function lowerings(): Lowerings {
  known ??= findLowerings()
  return known
}

function findLowerings(): Lowerings {
  let [upper, lower] = ['', '']
  for (let code = 0x41; code <= 0x1e943; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    const letter = String.fromCodePoint(code)
    const mapped = lowerCharacter(letter)
    if (mapped === letter) continue
    upper += letter
    lower += mapped
  }
  return { upper, lower }
}
