import type { ExitReason } from '../../project/problem.ts'
import { describeScope } from '../../run/permission.ts'
import { actorOf, reasonOf } from '../deed.ts'
import { holdTarget } from '../hold-target.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'
import { holdEntry } from './hold.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const reason = reasonOf(input)
  return withWired(invocation, project, async wired => {
    const ledger = await wired.ledger()
    const inForce = await ledger.holds()
    const scope = holdTarget(
      input,
      project,
      inForce.map(hold => hold.scope),
    )
    const released = await ledger.releaseHold(scope, { reason, actor: actorOf(input, wired), at: wired.clock.now() })
    const document = { schema: 'activate.release/1', released: released === undefined ? null : holdEntry(released) }
    const said =
      released === undefined ? 'was not on hold' : `is released, held by ${released.actor}: ${released.reason}`
    await terminal.write(flags.json ? toJson(document) : `${printable(`${describeScope(scope)} ${said}`)}\n`)
    for (const hold of await ledger.holds())
      terminal.say(printable(`${describeScope(hold.scope)} is still on hold: ${hold.reason}`))
    return 'ok' as const
  })
}
