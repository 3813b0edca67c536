/** What `hold` and `release` are about: exactly one of a sync, a destination, or everything. */
import { ActivateError } from '../project/problem.ts'
import type { Project } from '../project/project.ts'
import type { HoldScope } from '../run/permission.ts'
import type { Input } from './invocation.ts'
import { unknownName } from './unknown-name.ts'

/** `held` are scopes on hold, whose sync or destination the project may no longer have. Throws A8003 or A8009. */
export function holdTarget(
  input: Input,
  { syncs, destinations }: Pick<Project, 'syncs' | 'destinations'>,
  held: readonly string[] = [],
): HoldScope {
  const sync = input.argument('sync')
  const destination = input.text('destination')
  const given = [sync !== undefined, destination !== undefined, input.flag('all')].filter(Boolean).length
  if (given !== 1) {
    throw new ActivateError('invalid', {
      code: 'A8003',
      message: given === 0 ? 'nothing was named' : 'more than one thing was named',
      help: 'name one sync, or give --destination NAME, or --all',
    })
  }
  if (sync !== undefined) return `sync:${known(sync, 'sync', syncs, held)}`
  if (destination !== undefined) return `destination:${known(destination, 'destination', destinations, held)}`
  return 'all'
}

function known(
  name: string,
  noun: 'sync' | 'destination',
  all: readonly { readonly name: string }[],
  held: readonly string[],
): string {
  const names = all.map(each => each.name)
  if (names.includes(name) || held.includes(`${noun}:${name}`)) return name
  throw unknownName(`there is no ${noun} "${name}"`, name, names, `${noun}s`)
}
