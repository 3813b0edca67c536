import type { Hold } from '../../ledger/governance.ts'
import type { ExitReason } from '../../project/problem.ts'
import { describeHold } from '../../run/permission.ts'
import { actorOf, reasonOf } from '../deed.ts'
import { holdTarget } from '../hold-target.ts'
import type { Invocation } from '../invocation.ts'
import { toJson } from '../render/json.ts'
import { printable } from '../render/text.ts'
import { openProject, withWired } from '../session.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const project = await openProject(invocation)
  const scope = holdTarget(input, project)
  const reason = reasonOf(input)
  return withWired(invocation, project, async wired => {
    const ledger = await wired.ledger()
    const actor = actorOf(input, wired)
    const { hold, already } = await ledger.hold({ scope, reason, actor, at: wired.clock.now() })
    if (flags.json) await terminal.write(toJson({ schema: 'activate.hold/1', already, hold: holdEntry(hold) }))
    else await terminal.write(`${printable(describeHold(hold))}${already ? ' (as before)' : ''}\n`)
    if (!already)
      terminal.say('A run that is sending ends too: what is on its way is finished, the rest stays pending.')
    return 'ok' as const
  })
}

/** A hold as scripts see it. */
export function holdEntry({ scope, reason, actor, at }: Hold): Record<string, unknown> {
  return { scope, reason, by: actor, since: new Date(at).toISOString() }
}
