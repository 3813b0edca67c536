/** An HTTP client for an address that the project names: checked, and refused with a reason a person can act on. */
import { ActivateError } from '../project/problem.ts'
import { AddressRefusedError, type ResolveAll } from './egress.ts'
import { createHttpClient, type HttpClient } from './http.ts'

export interface EgressOptions {
  /** How names become addresses; the system's resolver by default. */
  readonly resolve?: ResolveAll
  /** Bytes of a reply's body; longer ones are lost. Ten MiB by default. */
  readonly maxReplyBytes?: number
}

/** Throws A6009 for what is no usable address. */
export function parseBase(text: string | undefined, name: string): URL {
  if (text === undefined) {
    throw new ActivateError('failed', { code: 'A6011', message: `the destination ${name} has no base URL` })
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  const fault =
    url === undefined
      ? 'it is not an absolute URL'
      : url.protocol !== 'http:' && url.protocol !== 'https:'
        ? `its scheme is ${url.protocol.slice(0, -1)}`
        : url.username !== '' || url.password !== ''
          ? 'it holds credentials'
          : url.search !== '' || url.hash !== ''
            ? 'it holds a query or a fragment'
            : undefined
  if (url !== undefined && fault === undefined) return url
  throw new ActivateError('invalid', {
    code: 'A6009',
    message: `the base URL of the destination ${name} is not usable: ${fault ?? 'it cannot be read'}`,
    help: 'give an absolute http or https URL, and credentials as headers or a token',
  })
}

/** Throws A6007 for a literal address that may not be spoken to. */
export function openClient(
  base: URL,
  options: EgressOptions & { readonly name: string },
  settings: { readonly connections: number; readonly timeout: number; readonly allowPrivateNetwork: boolean },
): HttpClient {
  try {
    return createHttpClient({
      origin: base.origin,
      ...settings,
      ...(options.resolve && { resolve: options.resolve }),
      ...(options.maxReplyBytes !== undefined && { maxReplyBytes: options.maxReplyBytes }),
    })
  } catch (error) {
    if (!(error instanceof AddressRefusedError)) throw error
    throw new ActivateError('failed', {
      code: 'A6007',
      message: `the destination ${options.name} may not be spoken to: ${error.message}`,
      help: 'set allow_private_network: true on the destination when this address is meant',
    })
  }
}
