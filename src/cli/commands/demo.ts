import { cp, mkdir, mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ActivateError, type ExitReason } from '../../project/problem.ts'
import { type DemoCheck, type DemoReport, playDemo } from '../demo.ts'
import { onInterruption } from '../interruption.ts'
import type { Invocation } from '../invocation.ts'
import { packageRoot } from '../package.ts'
import { renderEnd } from '../render/demo.ts'
import { toJson } from '../render/json.ts'
import { maskPlan } from '../render/mask.ts'

/** What makes up the worked example in the package's root. */
const exampleFiles = ['activate.yml', 'models', 'syncs', 'outcomes'] as const

export async function execute(invocation: Invocation): Promise<ExitReason> {
  const { flags, input, terminal } = invocation
  const folder = await prepareFolder(invocation)
  terminal.say(`The worked example is in ${folder}\n`)
  const interruption = onInterruption(
    terminal,
    '\nstopping: what is on its way is finished, then the demo ends; once more stops at once',
  )
  try {
    const report = await playDemo(invocation, {
      folder,
      nights: input.count('nights', 1) ?? 5,
      seed: input.count('seed') ?? 1,
      customers: input.count('customers', 1) ?? 1000,
      signal: interruption.signal,
    })
    if (flags.json) await terminal.write(toJson(documentOf(report)))
    else await terminal.write(`${renderEnd(report, terminal.paint)}\n`)
    if (interruption.signal.aborted) return 'interrupted'
    const off = report.checks.filter(check => !check.ok)
    // The one document of --json already says which checks failed.
    if (!flags.json && off.length > 0) throw new ActivateError('failed', off.map(problemOf))
    return off.length > 0 ? 'failed' : 'ok'
  } finally {
    interruption.release()
  }
}

async function prepareFolder({ input, io }: Invocation): Promise<string> {
  const asked = input.text('dir')
  const folder = asked === undefined ? await mkdtemp(join(tmpdir(), 'activate-demo-')) : resolve(io.cwd, asked)
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0) {
    throw new ActivateError('invalid', {
      code: 'A8005',
      message: `${folder} is not empty`,
      help: 'the demo writes a project of its own: choose a new folder with --dir, or leave it out',
    })
  }
  for (const file of exampleFiles) await cp(join(packageRoot(), file), join(folder, file), { recursive: true })
  return folder
}

function documentOf({ nights, ...report }: DemoReport): unknown {
  const masked = nights.map(night => ({
    ...night,
    runs: night.runs.map(run => (run.plan === undefined ? run : { ...run, plan: maskPlan(run.plan) })),
  }))
  return { schema: 'activate.demo/1', ...report, nights: masked }
}

function problemOf({ what, found }: DemoCheck): { readonly code: string; readonly message: string } {
  return { code: 'A8007', message: `${what}: ${found}` }
}
