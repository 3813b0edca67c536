import { access, mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { destinations } from '../../destinations/index.ts'
import { readsTypeScript } from '../../destinations/own.ts'
import { findProject } from '../../project/load.ts'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { suggestion } from '../../project/suggest.ts'
import { destinationFiles, type Language, languages } from '../destination-starter.ts'
import type { Invocation } from '../invocation.ts'
import { starterFiles, templates } from '../starter.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { input, io, flags, terminal } = invocation
  if (input.argument('dir') === 'destination') return initDestination(invocation)
  if (input.argument('name') !== undefined)
    throw wrongUse('too many arguments', 'only `activate init destination NAME` takes two')
  const folder = resolve(io.cwd, flags.directory ?? '.', input.argument('dir') ?? '.')
  const template = templateOf(input.text('template') ?? 'file')
  const files = starterFiles(template, projectName(folder))
  await writeAll(folder, files, 'choose another folder: `activate init DIR`')
  terminal.say(`A project is in ${folder}:\n${listOf(files)}\n`)
  terminal.say(nextSteps(relative(io.cwd, folder), template))
  return 'ok'
}

/** A destination of the project's own: the definition, and its test. */
async function initDestination({ input, io, flags, terminal }: Invocation): Promise<ExitReason> {
  const name = input.argument('name')
  if (name === undefined)
    throw wrongUse(
      'a destination needs a name',
      '`activate init destination NAME`; for a folder of that name: `activate init ./destination`',
    )
  if (!/^[a-z][a-z0-9_-]*$/.test(name))
    throw wrongUse(`"${name}" cannot be used as a name`, 'use small letters, digits, _ and -, and start with a letter')
  if (destinations.some(definition => definition.name === name))
    throw wrongUse(
      `there is a destination "${name}" already: it comes with the tool`,
      'use it by `type`, or choose another name',
    )
  const root = await findProject(resolve(io.cwd, flags.directory ?? '.'))
  const language = languageOf(input.text('language') ?? (readsTypeScript() ? 'ts' : 'js'))
  const files = destinationFiles(name, language)
  await writeAll(root, files, 'choose another name, or remove the files')
  terminal.say(`The destination ${name} is in ${root}:\n${listOf(files)}\n`)
  const use = `  destinations: { ${name}: { type: ${name}, token: "\${env:${name.toUpperCase().replaceAll('-', '_')}_TOKEN}" } }`
  terminal.say(
    [
      'Next: make it say what the API says, name it in activate.yml, and check both:',
      use,
      '  activate validate',
      '  node --test destinations/*.test.*',
    ].join('\n'),
  )
  return 'ok'
}

function languageOf(asked: string): Language {
  const language = languages.find(known => known === asked)
  if (language !== undefined) return language
  throw wrongUse(`there is no language "${asked}"`, suggestion(asked, languages, 'languages') ?? languages.join(', '))
}

function wrongUse(message: string, help: string): ActivateError {
  return new ActivateError('invalid', { code: 'A8003', message, help })
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>, help: string): Promise<void> {
  await refuseToOverwrite(folder, Object.keys(files), help)
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
  }
}

function listOf(files: Readonly<Record<string, string>>): string {
  return Object.keys(files)
    .map(path => `  ${path}`)
    .join('\n')
}

type Template = (typeof templates)[number]

function templateOf(asked: string): Template {
  const template = templates.find(known => known === asked)
  if (template !== undefined) return template
  const help = suggestion(asked, templates, 'templates')
  throw new ActivateError('invalid', {
    code: 'A8003',
    message: `there is no template "${asked}"`,
    ...(help === undefined ? {} : { help }),
  })
}

/** A folder's name, with what a project's name may not hold replaced. */
export function projectName(folder: string): string {
  const name = basename(folder)
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'activate-project' : name
}

async function refuseToOverwrite(folder: string, paths: readonly string[], help: string): Promise<void> {
  const taken: string[] = []
  for (const path of paths) if (await exists(join(folder, path))) taken.push(path)
  if (taken.length === 0) return
  throw new ActivateError('invalid', {
    code: 'A8005',
    message: `${folder} already has ${taken.join(', ')}`,
    help,
  })
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false
    throw error
  }
}

function nextSteps(folder: string, template: Template): string {
  const enter = folder === '' ? [] : [`  cd ${folder}`]
  const start =
    template === 'sandbox' ? ['  activate sandbox &        # a local CRM, its page at http://127.0.0.1:8484'] : []
  const look = template === 'sandbox' ? [] : ['  ls out/lapsing            # what was written']
  return [
    'Next:',
    ...enter,
    ...start,
    '  activate validate         # every problem at once, nothing is opened',
    '  activate dry-run          # what a run would send, and why',
    '  activate run',
    ...look,
    '  activate inspect C003     # one customer, and what happened to them',
  ].join('\n')
}
