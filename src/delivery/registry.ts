/**
 * Destinations by name: checks what the project says of them and what its syncs ask of them, without any network, and opens
 * them. The list of definitions is an argument; `destinations/index.ts` has those that come with the tool.
 */
import type { z } from 'zod'
import { ActivateError, type Problem } from '../project/problem.ts'
import type { DestinationSettings, Project } from '../project/project.ts'
import { resolveSecrets, type SecretReaders } from '../project/secret.ts'
import { suggestion } from '../project/suggest.ts'
import type { Accounts } from './account.ts'
import type { Action, CallbackReport, CallbackRequest, DestinationDefinition, RateLimit } from './destination.ts'
import type { OpenDestination } from './open-destination.ts'
import { settingsProblems } from './settings-problems.ts'
import { syncProblems } from './sync-problems.ts'

export type Definitions = readonly DestinationDefinition[]

/** Every problem of the destinations and of the syncs that use them, in the order of the project. Needs no secret's value. */
export function checkDestinations(project: Project, definitions: Definitions): readonly Problem[] {
  const checked = project.destinations.map(settings => ({ name: settings.name, ...check(settings, definitions) }))
  const names = checked.map(({ name }) => name)
  const ofSyncs = project.syncs.flatMap(sync => {
    const destination = checked.find(({ name }) => name === sync.destination)
    if (destination === undefined) {
      const help = suggestion(sync.destination, names, 'destinations')
      const message = `sync "${sync.name}": unknown destination "${sync.destination}"`
      return [
        { code: 'A6503', message, place: sync.places?.destination ?? sync.place, ...(help !== undefined && { help }) },
      ]
    }
    return destination.kind === 'valid' ? syncProblems(sync, destination.actions, destination.definition.name) : []
  })
  return [...checked.flatMap(result => (result.kind === 'invalid' ? result.problems : [])), ...ofSyncs]
}

/** The actions of a destination by name, such as a list for people would show; throws A6501 and A6502. */
export function actionsOf(
  settings: DestinationSettings,
  definitions: Definitions,
): Readonly<Record<string, Action<never>>> {
  return valid(settings, definitions).actions
}

/** What planning needs to know of a destination. */
export interface DestinationShape {
  readonly actions: Readonly<Record<string, Action<never>>>
  readonly limits: readonly RateLimit[]
}

/** Opens nothing and needs no secret's value; throws A6501 and A6502. */
export function destinationShape(settings: DestinationSettings, definitions: Definitions): DestinationShape {
  const { definition, parsed, actions } = valid(settings, definitions)
  return { actions, limits: definition.limits(parsed) }
}

export interface OpenContext extends SecretReaders {
  readonly definitions: Definitions
  /** The project's folder. */
  readonly root: string
  /** Those that this process has open, so that destinations with the same account share its limits. */
  readonly accounts?: Accounts
}

/**
 * Settings checked, secrets in place, connection open. Throws A6501 and A6502; A1150 and A1151 for secrets that are not there;
 * and whatever opening finds (A60xx for HTTP, A651x for files and tables).
 */
export async function openDestination(settings: DestinationSettings, context: OpenContext): Promise<OpenDestination> {
  const { definition, parsed } = valid(settings, context.definitions)
  // The schema has passed; only texts change, so what comes back still has the schema's form.
  const resolved = resolveSecrets(parsed, context, settings.places) as Settings
  // A key that cannot sign is found here, not by the first request.
  definition.sign?.(resolved, { id: '', at: 0, body: '' })
  const { accounts } = context
  const named = { name: settings.name, ...(accounts !== undefined && { accounts }) }
  const { openHttpDestination, openSessionDestination } = await import('./open-destination.ts')
  if (definition.open === undefined) return openHttpDestination(definition, resolved, named)
  return openSessionDestination(definition, resolved, { name: settings.name, root: context.root })
}

/** What a destination reports by itself, ready to be verified. */
export interface OpenCallback {
  /** The name under `destinations` in the project. */
  readonly destination: string
  /** The setting without which nothing can be verified. */
  readonly lacks: string | undefined
  readonly optOuts: 'phone' | 'email'
  readonly verify: (request: CallbackRequest) => boolean
  readonly read: (request: CallbackRequest) => readonly CallbackReport[]
}

/** Opens no connection. Undefined: a type that reports nothing. Throws A6501 and A6502, A1150 and A1151 for missing secrets. */
export function openCallback(
  settings: DestinationSettings,
  context: SecretReaders & { readonly definitions: Definitions },
): OpenCallback | undefined {
  const { definition, parsed } = valid(settings, context.definitions)
  const { callback } = definition
  if (callback === undefined) return undefined
  const resolved = resolveSecrets(parsed, context, settings.places) as Settings
  return {
    destination: settings.name,
    lacks: callback.lacks(resolved),
    optOuts: callback.optOuts,
    verify: request => callback.verify(resolved, request),
    read: callback.read,
  }
}

type Settings = z.output<z.ZodObject>

type Checked =
  | {
      readonly kind: 'valid'
      readonly definition: DestinationDefinition
      readonly parsed: Settings
      readonly actions: Readonly<Record<string, Action<never>>>
    }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

function check(settings: DestinationSettings, definitions: Definitions): Checked {
  const definition = definitions.find(({ name }) => name === settings.type)
  if (definition === undefined) return { kind: 'invalid', problems: [unknownType(settings, definitions)] }
  const read = definition.settings.safeParse(settings.settings)
  if (!read.success) {
    return { kind: 'invalid', problems: settingsProblems(definition.settings, settings, read.error.issues) }
  }
  return { kind: 'valid', definition, parsed: read.data, actions: definition.actions(read.data) }
}

function valid(settings: DestinationSettings, definitions: Definitions): Extract<Checked, { kind: 'valid' }> {
  const checked = check(settings, definitions)
  if (checked.kind === 'invalid') throw new ActivateError('invalid', checked.problems)
  return checked
}

function unknownType(settings: DestinationSettings, definitions: Definitions): Problem {
  const names = definitions.map(({ name }) => name)
  const help = suggestion(settings.type, names, 'types')
  return {
    code: 'A6501',
    message: `destination "${settings.name}": unknown type "${settings.type}"`,
    place: settings.places.type ?? settings.place,
    ...(help !== undefined && { help }),
  }
}
