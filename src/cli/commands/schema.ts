import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { DestinationDefinition } from '../../delivery/destination.ts'
import { destinations as builtin } from '../../destinations/index.ts'
import { findProject } from '../../project/load.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { suggestion } from '../../project/suggest.ts'
import { dbtDocument } from '../../report/dbt.ts'
import type { Invocation } from '../invocation.ts'
import { kinds, schemaText } from '../schemas.ts'
import { knownDestinations, readProject } from '../session.ts'

type Kind = (typeof kinds)[number]

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { input, terminal } = invocation
  const write = folderOf(invocation, 'write')
  const check = folderOf(invocation, 'check')
  if (input.argument('kind') === 'dbt') {
    const { name, warehouse, syncs } = await readProject(invocation)
    await terminal.write(dbtDocument(name, [warehouse.state], syncs))
    return 'ok'
  }
  const destinations = await destinationsHere(invocation)
  if (check !== undefined) return checkSchemas(check, destinations, invocation)
  if (write !== undefined) return writeSchemas(write, destinations, invocation)
  await terminal.write(schemaText(kindOf(input.argument('kind') ?? 'project'), destinations))
  return 'ok'
}

type Definitions = readonly DestinationDefinition[]

/** Within a project, its own destinations too; a schema can be made outside of any. */
async function destinationsHere({ io, flags }: Invocation): Promise<Definitions> {
  const root = await findProject(resolve(io.cwd, flags.directory ?? '.')).catch((error: unknown) => {
    if (error instanceof ActivateError && error.problems[0].code === 'A1001') return undefined
    throw error
  })
  if (root === undefined) return builtin
  const { definitions, problems } = await knownDestinations({ root })
  if (problems.length > 0) throw new ActivateError('invalid', problems)
  return definitions
}

/** The folder that `--write` or `--check` names; `schemas` when it names none. */
function folderOf({ input, io }: Invocation, option: 'write' | 'check'): string | undefined {
  if (!input.flag(option) && input.text(option) === undefined) return undefined
  return resolve(io.cwd, input.text(option) ?? 'schemas')
}

function kindOf(asked: string): Kind {
  const kind = kinds.find(known => known === asked)
  if (kind !== undefined) return kind
  const help = suggestion(asked, [...kinds, 'dbt'], 'kinds')
  throw new ActivateError('invalid', {
    code: 'A8003',
    message: `there is no schema of "${asked}"`,
    ...(help === undefined ? {} : { help }),
  })
}

async function writeSchemas(folder: string, destinations: Definitions, { terminal }: Invocation): Promise<ExitReason> {
  await mkdir(folder, { recursive: true })
  for (const kind of kinds) await writeFile(join(folder, `${kind}.json`), schemaText(kind, destinations))
  terminal.say(`wrote ${kinds.map(kind => `${kind}.json`).join(', ')} to ${folder}`)
  return 'ok'
}

async function checkSchemas(folder: string, destinations: Definitions, { terminal }: Invocation): Promise<ExitReason> {
  const drifted: Kind[] = []
  for (const kind of kinds)
    if ((await textOf(join(folder, `${kind}.json`))) !== schemaText(kind, destinations)) drifted.push(kind)
  if (drifted.length > 0) {
    throw new ActivateError('failed', {
      code: 'A8011',
      message: `${drifted.map(kind => `${kind}.json`).join(', ')} in ${folder} ${drifted.length === 1 ? 'is' : 'are'} not what this version makes`,
      help: `write ${drifted.length === 1 ? 'it' : 'them'} again with \`activate schema --write ${folder}\``,
    })
  }
  terminal.say('the schemas are up to date')
  return 'ok'
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replaceAll('\r\n', '\n')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
