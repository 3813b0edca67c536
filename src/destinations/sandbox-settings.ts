/** What the two destinations of the sandbox share (docs/reference/sandbox-api.md). */
import { z } from 'zod'
import type { HttpReply } from '../delivery/destination.ts'
import { duration } from '../project/duration.ts'
import { secret } from '../project/secret.ts'
import { baseUrl } from './http-settings.ts'
import { valueAt } from './record-outcomes.ts'

/** The token that a sandbox expects when it was started without one of its own; not a secret. */
export const defaultToken = 'sandbox'

export const sandboxSettings = z.strictObject({
  base_url: baseUrl().default('http://127.0.0.1:8484').describe('Where `activate sandbox` listens'),
  token: secret()
    .optional()
    .describe("The sandbox's token, by reference. Without it, the one that a sandbox expects unless told otherwise"),
  allow_private_network: z.boolean().default(true).describe('A sandbox is local, so private addresses are allowed'),
  requests_per_second: z
    .int()
    .min(1)
    .max(10_000)
    .default(90)
    .describe('At most so many requests in a second; the sandbox allows 100'),
  concurrency: z.int().min(1).max(64).default(4).describe('Requests under way at the same time'),
  timeout: duration().prefault('30s').describe('How long one attempt may take, from connecting to the last byte'),
})

export type SandboxSettings = z.output<typeof sandboxSettings>

/** The parts of a definition that both areas have in common. */
export const sandboxBasics = {
  settings: sandboxSettings,
  baseUrl: (settings: SandboxSettings) => settings.base_url,
  headers: (settings: SandboxSettings) => ({ authorization: `Bearer ${settings.token ?? defaultToken}` }),
  allowPrivateNetwork: (settings: SandboxSettings) => settings.allow_private_network,
  limits: (settings: SandboxSettings) => [{ requests: settings.requests_per_second, perMilliseconds: 1000 }],
  concurrency: (settings: SandboxSettings) => settings.concurrency,
  timeout: (settings: SandboxSettings) => settings.timeout,
  probe: () => ({ method: 'GET', path: '/account' }) as const,
}

/** The sandbox's own word for what was wrong with a whole request. */
export function errorOf(reply: HttpReply): { readonly code: string; readonly message: string } | undefined {
  const code = valueAt(reply.json, 'error.code')
  const message = valueAt(reply.json, 'error.message')
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined
}
