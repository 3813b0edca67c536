import { expect } from 'vitest'

/** The promise must fail with this code of ours. */
export async function expectCode(code: string, promise: Promise<unknown>): Promise<void> {
  await expect(promise).rejects.toMatchObject({ name: 'ActivateError', problems: [{ code }] })
}
