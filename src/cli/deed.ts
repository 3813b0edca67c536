/** Who does something, and why: what the audit trail keeps of a command. */
import { ActivateError } from '../project/problem.ts'
import type { Input } from './invocation.ts'

/** `--reason`, which the audit trail keeps. Throws A8003 when it is missing. */
export function reasonOf(input: Input): string {
  const reason = input.text('reason')?.trim() ?? ''
  if (reason !== '') return reason
  throw new ActivateError('invalid', {
    code: 'A8003',
    message: '--reason is missing',
    help: 'say why in a few words; the audit trail keeps it',
  })
}

/** `--by`, or whoever runs the command. */
export function actorOf(input: Input, { actor }: { readonly actor: string }): string {
  const by = input.text('by')?.trim() ?? ''
  return by === '' ? actor : by
}
