/**
 * Chosen misfortune: which requests the sandbox treats badly, and how. The fate of the n-th request follows from the
 * plan, the seed and n alone, so that a night can be repeated with the same faults.
 */
import { ActivateError } from '../project/problem.ts'
import { seededRandom } from './seeded.ts'

export const faultKinds = ['5xx', '429', 'timeout', 'reset', 'lost'] as const
export type FaultKind = (typeof faultKinds)[number]

/** Shares of all requests, in [0, 1]; a kind that is absent never happens. */
export type FaultPlan = Readonly<Partial<Record<FaultKind, number>>>

export const noFaults: FaultPlan = {}

/** What happens to one request instead of an ordinary answer. */
export type Fault =
  /** Answered with this status; whether it was processed first is not told, as in life. */
  | { readonly kind: '5xx'; readonly status: 500 | 503; readonly applied: boolean }
  /** Refused, not processed. */
  | { readonly kind: '429' }
  /** Not processed and never answered: the connection stays open until the client gives up. */
  | { readonly kind: 'timeout' }
  /** Not processed; the connection is torn down. */
  | { readonly kind: 'reset' }
  /** Processed; the connection is torn down before the answer. */
  | { readonly kind: 'lost' }

/** Reads `5xx=2%,timeout=1%` (shares may be written as 0.02 too). Throws A8501 with every slip at once. */
export function parseFaults(text: string): FaultPlan {
  const plan: Partial<Record<FaultKind, number>> = {}
  const slips: string[] = []
  for (const part of text.split(',').map(piece => piece.trim())) {
    if (part === '' && text.trim() === '') continue
    const [name = '', share, ...rest] = part.split('=').map(piece => piece.trim())
    const kind = faultKinds.find(known => known === name.toLowerCase())
    if (kind === undefined) slips.push(`"${name}" is not a kind of fault (${faultKinds.join(', ')})`)
    else if (kind in plan) slips.push(`"${name}" is given twice`)
    const value = rest.length === 0 ? parseShare(share) : undefined
    if (value === undefined) slips.push(`"${part}" needs a share between 0% and 100%, as in ${kind ?? '5xx'}=2%`)
    if (kind !== undefined && value !== undefined) plan[kind] = value
  }
  const total = Object.values(plan).reduce((sum, share) => sum + share, 0)
  if (total > 1 + 1e-9) slips.push(`the shares add up to ${Math.round(total * 1000) / 10}%, more than all requests`)
  if (slips.length > 0) throw complain(text, slips)
  return plan
}

function parseShare(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(text ?? '')
  if (match === null) return undefined
  const value = Number(match[1]) / (match[2] === '%' ? 100 : 1)
  return value <= 1 ? value : undefined
}

function complain(text: string, slips: readonly string[]): ActivateError {
  return new ActivateError(
    'invalid',
    slips.map(slip => ({
      code: 'A8501',
      message: `the faults "${text}" cannot be read: ${slip}`,
      help: 'write them as in 5xx=2%,timeout=1%,reset=1%,429=3%,lost=1%',
    })),
  )
}

/** The fault of the n-th request, or undefined when it is answered as usual. */
export function faultOf(plan: FaultPlan, seed: number, n: number): Fault | undefined {
  const random = seededRandom(seed, 'fault', n)
  let left = random()
  const kind = faultKinds.find(candidate => {
    left -= plan[candidate] ?? 0
    return left < 0
  })
  if (kind === undefined) return undefined
  if (kind !== '5xx') return { kind }
  return { kind, status: random() < 0.5 ? 500 : 503, applied: random() < 0.5 }
}

/** `5xx 2 %, timeout 1 %`, or `none`. */
export function describeFaults(plan: FaultPlan): string {
  const parts = faultKinds.flatMap(kind => {
    const share = plan[kind] ?? 0
    return share > 0 ? [`${kind} ${Math.round(share * 10_000) / 100} %`] : []
  })
  return parts.length === 0 ? 'none' : parts.join(', ')
}
