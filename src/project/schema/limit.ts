/** Shares and limits as people write them: `5%`, or a number of rows. */
import { z } from 'zod'
import type { Limit } from '../project.ts'
import { readable } from './text.ts'

const percent = /^(\d+(?:\.\d+)?)\s*%$/
const sharePattern = '^\\d+(\\.\\d+)?\\s*%$'
export const limitHelp = 'write a share such as 20%, between 0% and 100%, or a whole number of rows'

/** A fraction of one from `20%`, or undefined. */
export function parseShare(text: string): number | undefined {
  const match = percent.exec(text.trim())
  // Divided as decimal text, so that 7% is 0.07 and not 0.07000000000000001.
  const share = match === null ? undefined : Number(`${match[1]}e-2`)
  return share !== undefined && share <= 1 ? share : undefined
}

/** `5%` as a fraction of one. */
export const share = () =>
  readable(parseShare, {
    pattern: sharePattern,
    examples: ['5%'],
    code: 'A1116',
    message: 'is not a share',
    help: 'write a percentage between 0% and 100%, such as 5%',
  })

/** `20%`, or a whole number of rows. */
export const limit = () =>
  z
    .union([z.number().meta({ type: 'integer', minimum: 0 }), z.string().meta({ pattern: sharePattern })])
    .transform((written, context): Limit => {
      if (typeof written === 'number') {
        if (Number.isSafeInteger(written) && written >= 0) return { count: written }
      } else {
        const fraction = parseShare(written)
        if (fraction !== undefined) return { share: fraction }
      }
      const params = { code: 'A1116', help: limitHelp }
      context.issues.push({
        code: 'custom',
        input: written,
        message: `${JSON.stringify(written)} is not a limit`,
        params,
      })
      return z.NEVER
    })
