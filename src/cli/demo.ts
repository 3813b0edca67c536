/** Plays the worked example: night after night, new data, the sandbox's faults of that night, all syncs; then checks. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadProject } from '../project/load.ts'
import type { Project } from '../project/project.ts'
import { planSyncs, type RunSummary, runSyncs } from '../run.ts'
import { type DemoNight, demoNights, interestingCustomer } from '../sandbox/demo-nights.ts'
import { noFaults } from '../sandbox/faults.ts'
import { writeSampleData } from '../sandbox/sample-data/write.ts'
import { startSandbox } from '../sandbox/sandbox.ts'
import type { SandboxState } from '../sandbox/state.ts'
import type { Invocation } from './invocation.ts'
import { trackProgress } from './progress.ts'
import { renderHeading, renderNight } from './render/demo.ts'
import { renderRunProblems } from './render/run.ts'
import { withWired } from './session.ts'

export interface DemoOptions {
  readonly folder: string
  readonly nights: number
  readonly seed: number
  readonly customers: number
  readonly signal: AbortSignal
}

export interface PlayedNight {
  readonly date: string
  readonly title: string
  readonly runs: readonly RunSummary[]
}

/** Something that has to hold at the end. */
export interface DemoCheck {
  readonly what: string
  readonly ok: boolean
  readonly found: string
}

/** What a sync came to over all nights. */
export interface DemoProgramme {
  readonly sync: string
  /** `crm.upsert_contacts`, or for a message its channel and purpose. */
  readonly to: string
  readonly acked: number
}

export interface DemoReport {
  readonly folder: string
  readonly sandboxState: string
  readonly nights: readonly PlayedNight[]
  readonly programmes: readonly DemoProgramme[]
  readonly sandbox: Pick<SandboxState, 'counts' | 'faults'>
  readonly checks: readonly DemoCheck[]
  /** A customer whose story is worth reading. */
  readonly interesting: string | null
  /** As `--as-of` takes it. */
  readonly lastNight: string
}

export async function playDemo(invocation: Invocation, options: DemoOptions): Promise<DemoReport> {
  const { folder, seed, signal } = options
  const sandboxState = join(folder, '.activate', 'sandbox.db')
  await mkdir(dirname(sandboxState), { recursive: true })
  const { target } = invocation.flags
  const loaded = await loadProject(folder, { env: invocation.io.env, ...(target === undefined ? {} : { target }) })
  // Any free port, so that a sandbox that is running already is left alone.
  const sandbox = await startSandbox({ port: 0, faults: noFaults, seed, statePath: sandboxState })
  try {
    const project = pointedAt(loaded, sandbox.url)
    const nights = demoNights(undefined, options.nights)
    const played: PlayedNight[] = []
    for (const night of nights) {
      if (signal.aborted) break
      sandbox.chooseFaults(night.faults)
      played.push(await playNight(invocation, project, night, options))
    }
    sandbox.chooseFaults(noFaults)
    const state = sandbox.state()
    const last = nights[played.length - 1]
    const left = last === undefined || signal.aborted ? 0 : await leftToSend(invocation, project, last, signal)
    return {
      ...{ folder, sandboxState, nights: played, programmes: programmesOf(project, played) },
      sandbox: { counts: state.counts, faults: state.faults },
      checks: checkOutcome(project, played, state.counts, left),
      interesting: interestingCustomer(state)?.key ?? null,
      lastNight: new Date(last?.asOf ?? 0).toISOString().replace('.000Z', 'Z'),
    }
  } finally {
    await sandbox.close()
  }
}

/** The project with its sandbox destinations at this address. */
function pointedAt(project: Project, url: string): Project {
  const destinations = project.destinations.map(destination =>
    destination.type === 'crm' || destination.type === 'messaging'
      ? { ...destination, settings: { ...destination.settings, base_url: url } }
      : destination,
  )
  return { ...project, destinations }
}

function programmesOf(project: Project, nights: readonly PlayedNight[]): readonly DemoProgramme[] {
  const runs = nights.flatMap(night => night.runs)
  return project.syncs.map(({ name, destination, action, channel, purpose }) => {
    const to = channel === undefined ? `${destination}.${action}` : [channel, purpose].filter(Boolean).join(', ')
    return { sync: name, to, acked: sumOutcomes(runs.filter(run => run.sync === name)).acked }
  })
}

async function playNight(
  invocation: Invocation,
  project: Project,
  night: DemoNight,
  options: DemoOptions,
): Promise<PlayedNight> {
  const { terminal } = invocation
  const { seed, customers, folder, signal } = options
  await writeSampleData(join(folder, 'data'), { seed, customers, asOf: night.asOf })
  terminal.say(renderHeading(night, terminal.ink))
  const { runs } = await withWired(invocation, project, async wired => {
    const tracker = terminal.interactive ? trackProgress(terminal, wired.clock.now) : undefined
    try {
      return await runSyncs(wired, project.syncs, {
        ...{ asOf: night.asOf, samples: 0, fullResync: false, yes: false, signal },
        onProgress: tracker?.onProgress ?? (() => undefined),
      })
    } finally {
      tracker?.stop()
    }
  })
  terminal.say(`\n${renderNight(runs, terminal.ink)}\n\n`)
  const problems = renderRunProblems(runs, terminal.ink)
  if (problems !== '') terminal.complain(`${problems}\n\n`)
  return { date: night.date, title: night.title, runs }
}

/** What the last night would send if it were repeated. */
async function leftToSend(
  invocation: Invocation,
  project: Project,
  night: DemoNight,
  signal: AbortSignal,
): Promise<number> {
  return withWired(invocation, project, async wired => {
    const { plans } = await planSyncs(wired, project.syncs, {
      ...{ asOf: night.asOf, samples: 0, fullResync: false, signal },
      onProgress: () => undefined,
    })
    return plans.reduce((sum, plan) => sum + plan.decisions.send, 0)
  })
}

/** Pure: what must hold after the last night, whatever the sandbox did. */
export function checkOutcome(
  project: Pick<Project, 'syncs' | 'destinations'>,
  nights: readonly PlayedNight[],
  counts: Pick<SandboxState['counts'], 'duplicates' | 'emails' | 'sms'>,
  left: number,
): readonly DemoCheck[] {
  const runs = nights.flatMap(night => night.runs)
  const off = runs.filter(run => run.status !== 'succeeded' && run.status !== 'partial')
  const messengers = new Set(project.destinations.filter(({ type }) => type === 'messaging').map(({ name }) => name))
  const messages = new Set(project.syncs.filter(sync => messengers.has(sync.destination)).map(sync => sync.name))
  const sent = sumOutcomes(runs.filter(run => messages.has(run.sync)))
  const received = counts.emails + counts.sms
  const pending = sumOutcomes(nights.at(-1)?.runs ?? []).pending
  return [
    {
      what: 'every run ended well',
      ok: off.length === 0,
      found: off.length === 0 ? `${runs.length} runs` : off.map(run => `${run.sync} ${run.status}`).join(', '),
    },
    { what: 'nobody was told anything twice', ok: counts.duplicates === 0, found: `${counts.duplicates} duplicates` },
    {
      what: 'what the messenger received is what was acknowledged',
      ok: received >= sent.acked && received <= sent.acked + sent.parked + sent.pending,
      found: `${received} received, ${sent.acked} acknowledged, ${sent.parked + sent.pending} open`,
    },
    {
      what: 'the last night repeated sends nothing new',
      ok: left <= pending,
      found: `${left} to send, ${pending} were pending`,
    },
  ]
}

function sumOutcomes(runs: readonly RunSummary[]): RunSummary['outcomes'] {
  const sum = (outcome: keyof RunSummary['outcomes']) => runs.reduce((total, run) => total + run.outcomes[outcome], 0)
  return { acked: sum('acked'), rejected: sum('rejected'), parked: sum('parked'), pending: sum('pending') }
}
