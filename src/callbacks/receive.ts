/**
 * Takes what vendors report of what they took: `POST /callbacks/<destination>`. Only what the vendor signed is believed, and
 * everything of a call is written before it is answered. An answer other than 2xx leaves nothing behind.
 */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { CallbackReport } from '../delivery/destination.ts'
import { channelsOf, optOutsOf, reportedReason, reporter } from '../delivery/opted-out.ts'
import type { OpenCallback } from '../delivery/registry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Project } from '../project/project.ts'

export interface ReceiveContext {
  readonly project: Pick<Project, 'identity' | 'syncs'>
  readonly callbacks: readonly OpenCallback[]
  readonly ledger: Pick<Ledger, 'report' | 'suppress' | 'syncOfReceipt'>
  /** Wall time in milliseconds. */
  readonly now: () => number
  /** What happened, without anything of a person. */
  readonly log: (destination: string, message: string) => void
}

/** A call of a vendor is a few kilobytes; batches of events are larger. */
const mostBytes = 4_000_000

export function callbackApp(context: ReceiveContext): Hono {
  const app = new Hono()
  const known = new Map(context.callbacks.map(callback => [callback.destination, callback]))
  app.post('/callbacks/:destination', bodyLimit({ maxSize: mostBytes }), async call => {
    const callback = known.get(call.req.param('destination'))
    return callback === undefined ? call.text('no such destination', 404) : receive(call, callback, context)
  })
  app.onError((error, call) => {
    context.log('callbacks', error.message)
    return call.text('not written down; call again', 503)
  })
  return app
}

async function receive(call: Context, callback: OpenCallback, context: ReceiveContext): Promise<Response> {
  const { destination } = callback
  const request = { headers: call.req.header(), body: await call.req.text() }
  if (!callback.verify(request)) {
    context.log(destination, 'refused a call whose signature is wrong')
    return call.text('wrong signature', 403)
  }
  let reports: readonly CallbackReport[]
  try {
    reports = callback.read(request)
  } catch (error) {
    context.log(destination, `a call that cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    return call.text('unreadable', 400)
  }
  await writeDown(destination, reports, context)
  return call.body(null, 204)
}

/** Opt-outs first: should the rest fail, the vendor calls again, and who opted out is kept out meanwhile. */
async function writeDown(
  destination: string,
  reports: readonly CallbackReport[],
  { project, ledger, now, log }: ReceiveContext,
): Promise<void> {
  const at = now()
  for (const { optIn } of reports)
    if (optIn)
      log(destination, 'somebody took back an opt-out there; here it is in force until `activate suppress --lift`')
  for (const { optOut: address, reference } of reports) {
    if (address === undefined) continue
    const optOuts = optOutsOf(project, address, await channelsFor(destination, reference, { project, ledger }))
    if (optOuts.length === 0) log(destination, 'somebody opted out whom the project has no identifier for (A5030)')
    else await ledger.suppress(optOuts, { reason: reportedReason, actor: reporter(destination), at })
  }
  const about = reports.flatMap(({ reference, outcome, final, code }) =>
    reference === undefined
      ? []
      : [{ destination, reference, outcome, final, ...(code !== undefined && { code }), at }],
  )
  const added = about.length === 0 ? 0 : await ledger.report(about)
  for (const { outcome, code } of added > 0 ? about : [])
    log(destination, code === undefined ? outcome : `${outcome} (${code})`)
}

/** The channel of the message that it is about; otherwise those of every sync that sends through the destination. */
async function channelsFor(
  destination: string,
  reference: string | undefined,
  { project, ledger }: Pick<ReceiveContext, 'project' | 'ledger'>,
): Promise<readonly (string | undefined)[]> {
  const name = reference === undefined ? undefined : await ledger.syncOfReceipt(destination, reference)
  const sync = project.syncs.find(each => each.name === name)
  return sync === undefined ? channelsOf(project, destination) : [sync.channel]
}
