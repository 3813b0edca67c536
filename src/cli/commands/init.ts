import { access, mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { suggestion } from '../../project/suggest.ts'
import type { Invocation } from '../invocation.ts'
import { starterFiles, templates } from '../starter.ts'

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { input, io, flags, terminal } = invocation
  const folder = resolve(io.cwd, flags.directory ?? '.', input.argument('dir') ?? '.')
  const template = templateOf(input.text('template') ?? 'file')
  const files = starterFiles(template, projectName(folder))
  await refuseToOverwrite(folder, Object.keys(files))
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
  }
  terminal.say(
    `A project is in ${folder}:\n${Object.keys(files)
      .map(path => `  ${path}`)
      .join('\n')}\n`,
  )
  terminal.say(nextSteps(relative(io.cwd, folder), template))
  return 'ok'
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

async function refuseToOverwrite(folder: string, paths: readonly string[]): Promise<void> {
  const taken: string[] = []
  for (const path of paths) if (await exists(join(folder, path))) taken.push(path)
  if (taken.length === 0) return
  throw new ActivateError('invalid', {
    code: 'A8005',
    message: `${folder} already has ${taken.join(', ')}`,
    help: 'choose another folder: `activate init DIR`',
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
