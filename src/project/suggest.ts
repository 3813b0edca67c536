/** "Did you mean …?": the known name that is closest to what somebody typed. */

/**
 * Edits that turn one text into the other: insert, delete, replace a character, or swap two neighbours (Damerau and
 * Levenshtein's distance in its optimal-string-alignment form). Symmetrical.
 */
export function editDistance(left: string, right: string): number {
  const a = [...left]
  const b = [...right]
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + cost,
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}

/** How far a name may be from a candidate and still be taken for it. */
function tolerance(left: string, right: string): number {
  const length = Math.max(left.length, right.length)
  return length <= 3 ? 1 : length <= 6 ? 2 : 3
}

/** The nearest candidate, or undefined when none is near. Case does not count; the first of equals wins. */
export function suggest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > 200) return undefined
  let best: { readonly candidate: string; readonly distance: number } | undefined
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > 3) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance > tolerance(name, candidate) || distance >= Math.max(name.length, candidate.length)) continue
    if (best === undefined || distance < best.distance) best = { candidate, distance }
  }
  return best?.candidate
}

/** `did you mean "mirror"?`, or the list of what there is when nothing is near; undefined when there is nothing. */
export function suggestion(name: string, candidates: readonly string[], noun: string): string | undefined {
  const near = suggest(name, candidates)
  if (near !== undefined) return `did you mean "${near}"?`
  if (candidates.length === 0) return undefined
  const shown = candidates.slice(0, 20)
  const more = candidates.length > shown.length ? `, and ${candidates.length - shown.length} more` : ''
  return `${noun}: ${shown.join(', ')}${more}`
}
