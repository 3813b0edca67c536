import type { Execute } from '../invocation.ts'
export const execute: Execute = async () => {
  throw new Error('the worked example is not here yet')
}
