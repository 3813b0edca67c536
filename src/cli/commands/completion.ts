import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { suggest } from '../../project/suggest.ts'
import { completionScript, shells } from '../completion-script.ts'
import { globalOptions } from '../global-options.ts'
import type { Invocation } from '../invocation.ts'

export async function execute({ input, terminal, commands }: Invocation): Promise<ExitReason> {
  const asked = input.argument('shell') ?? ''
  const shell = shells.find(known => known === asked)
  if (shell === undefined) {
    const near = suggest(asked, shells)
    throw new ActivateError('invalid', {
      code: 'A8003',
      message: `there is no completion for the shell "${asked}"`,
      help: `${near === undefined ? '' : `did you mean "${near}"? `}shells are ${shells.join(', ')}`,
    })
  }
  await terminal.write(completionScript(shell, commands, globalOptions))
  return 'ok'
}
