/**
 * A file that a vendor's answer points to. The address comes from outside, so the rules for addresses hold for it as for the
 * destination's own; credentials are never sent there, no redirect is followed, and what it is called is not told to anybody,
 * because such addresses are often keys themselves.
 */
import type { Change, HttpReply, JobFile, JobVerdict } from './destination.ts'
import { type EgressOptions, openClient } from './open-client.ts'

interface FileOptions extends EgressOptions {
  readonly name: string
  readonly timeout: number
  readonly allowPrivateNetwork: boolean
}

/** Undefined where there is no such file, or it does not say beyond doubt whom it means. */
export async function askFile(
  file: JobFile,
  answer: HttpReply,
  batch: readonly Change[],
  options: FileOptions,
): Promise<JobVerdict | undefined> {
  const address = file.address(answer)
  const reply = address === undefined ? undefined : await fetchFile(address, options)
  try {
    return reply && file.interpret(reply, batch, answer)
  } catch {
    return undefined // nobody could read it, which is what halves are tried for
  }
}

async function fetchFile(address: string, options: FileOptions): Promise<HttpReply | undefined> {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !mayAsk(url, options)) return undefined
  const client = openUnlessRefused(url, options)
  if (client === undefined) return undefined
  try {
    const sent = await client.send({ method: 'GET', path: url.pathname + url.search, headers: {}, body: undefined })
    return sent.kind === 'reply' && sent.reply.status === 200 ? sent.reply : undefined
  } finally {
    await client.close()
  }
}

/** In the clear only where the destination itself may be in a network of one's own. */
function mayAsk({ protocol, username, password }: URL, { allowPrivateNetwork }: FileOptions): boolean {
  const isSafe = protocol === 'https:' || (protocol === 'http:' && allowPrivateNetwork)
  return isSafe && username === '' && password === ''
}

function openUnlessRefused(url: URL, options: FileOptions) {
  try {
    return openClient(url, options, { ...options, connections: 1 })
  } catch {
    return undefined // a literal address that may not be spoken to; the answer stands as if it named no file
  }
}
