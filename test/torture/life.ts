/**
 * A life under torture: a project runs night after night, is killed again and again, and each night is resumed until it is done. Then what
 * the destination has is compared with the reference.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { FailpointName } from '../../src/failpoints/failpoints.ts'
import type { RunDocument, RunSummary } from '../../src/run.ts'
import { seededRandom } from '../../src/sandbox/seeded.ts'
import { makeProject, type TestProject } from '../e2e/project.ts'
import type { Child, Ended } from './child.ts'
import { type FarEnd, startFarEnd } from './far-end.ts'
import { inspectState } from './inspection.ts'
import { judge, judgeSums, type Verdict } from './judgement.ts'
import { describeScenario, filesOf, type Scenario, sqliteLedger, World } from './scenario.ts'
import { Truth } from './truth.ts'
import { type Warm, warmUp } from './warm.ts'

export type Kill =
  | { readonly name: FailpointName; readonly hit: number }
  /** Counted from the start of the command. */
  | { readonly milliseconds: number }

export interface LifePlan {
  readonly scenario: Scenario
  /** Of the world and of the destination's faults. */
  readonly seed: number
  /** Per night the kills, one after the other. */
  readonly nights: readonly (readonly Kill[])[]
  /** Share of the requests that go wrong. */
  readonly faultRate: number
  /** The ledger as YAML, with `{life}` for a number of its own; it is empty when the life begins. */
  readonly ledger?: string
}

export interface Figures {
  kills: number
  /** Runs that ended before their kill came. */
  spared: number
  nights: number
  runs: number
  /** Changes that came in at the destination again. */
  resends: number
  duplicates: number
  lost: number
  parked: number
  rejected: number
}

export interface Life {
  readonly figures: Figures
  readonly violations: readonly string[]
  /** Names that have killed. */
  readonly reached: ReadonlySet<FailpointName>
}

export const noFigures: Figures = {
  ...{ kills: 0, spared: 0, nights: 0, runs: 0, resends: 0, duplicates: 0, lost: 0, parked: 0, rejected: 0 },
}

const firstNight = Date.parse('2026-03-01T02:00:00.000Z')
const day = 86_400_000

/** A night that is not done after so many runs of which none is killed is not going to be. */
const patience = 10

let lives = 0

export async function live(plan: LifePlan, warm: Warm): Promise<Life> {
  const far = await startFarEnd(seededRandom(plan.seed, 'faults'))
  lives += 1
  const ledger = (plan.ledger ?? sqliteLedger).replaceAll('{life}', `${process.pid}_${lives}`)
  const project = await makeProject(filesOf(plan.scenario, far.url, ledger))
  try {
    return await new Torture(plan, far, project, warm).run()
  } finally {
    await project.remove()
    await far.close()
  }
}

class Torture {
  private readonly plan: LifePlan
  private readonly far: FarEnd
  private readonly project: TestProject
  private readonly warm: Warm
  private readonly world: World
  private readonly truth: Truth
  private readonly figures = { ...noFigures }
  private readonly violations: string[] = []
  private readonly reached = new Set<FailpointName>()

  constructor(plan: LifePlan, far: FarEnd, project: TestProject, warm: Warm) {
    this.plan = plan
    this.far = far
    this.project = project
    this.warm = warm
    this.world = new World(seededRandom(plan.seed, 'world'))
    this.truth = new Truth(plan.scenario)
  }

  async run(): Promise<Life> {
    const { plan, far, truth, figures, violations, reached } = this
    for (const [number, kills] of plan.nights.entries()) {
      if (number > 0) this.world.pass()
      await this.project.write({ 'data/people.csv': this.world.csv() })
      far.faultRate = plan.faultRate
      for (const kill of kills) await this.kill(number, kill)
      await this.resume(number)
      truth.pass(this.world.people)
      figures.nights += 1
      const { lost } = await this.judge(`night ${number + 1}`)
      figures.lost += lost
      if (violations.length > 0) break
    }
    if (violations.length === 0) await this.rest(plan.nights.length)
    return { figures, reached, violations: violations.map(text => `${describeLife(plan)}: ${text}`) }
  }

  private async kill(night: number, kill: Kill): Promise<void> {
    const child = await this.start(night, environmentOf(kill))
    const timer = 'milliseconds' in kill && setTimeout(() => child.process.kill('SIGKILL'), kill.milliseconds)
    const ended = await child.ended
    if (timer !== false) clearTimeout(timer)
    // What the dead have sent may still be on its way in.
    await turn()
    if (ended.signal !== 'SIGKILL') {
      this.figures.spared += 1
      this.check(ended)
      return
    }
    this.figures.kills += 1
    if ('name' in kill) this.reached.add(kill.name)
  }

  private async resume(night: number): Promise<void> {
    const ends: string[] = []
    for (let attempt = 0; attempt < patience; attempt++) {
      const ended = await (await this.start(night, {})).ended
      const summary = this.check(ended)
      if (summary !== undefined && isDone(summary)) {
        this.figures.rejected += summary.outcomes.rejected
        return
      }
      ends.push(
        `${ended.code} ${summary?.status}: ${JSON.stringify(summary?.problems ?? summary?.outcomes)} ${ended.stderr}`,
      )
    }
    this.violations.push(`night ${night + 1} is never done: ${ends.at(-1)}`)
  }

  /** One further night in which nothing has happened: nothing must leave. */
  private async rest(night: number): Promise<void> {
    const { far, figures, violations } = this
    far.faultRate = 0
    const before = far.effects.length
    const summary = this.check(await (await this.start(night, {})).ended)
    if (summary?.status !== 'succeeded' || summary.requests !== 0 || far.effects.length !== before)
      violations.push(`the quiet night was not: ${JSON.stringify(summary)}`)
    const { duplicates } = await this.judge('the quiet night')
    figures.duplicates += duplicates
    figures.resends += [...far.arrivals.values()].reduce((sum, times) => sum + times - 1, 0)
  }

  private start(night: number, env: Readonly<Record<string, string>>): Promise<Child> {
    this.figures.runs += 1
    const asOf = new Date(firstNight + night * day).toISOString()
    return this.warm.start(this.project.root, ['run', '--json', '--show-pii', '--as-of', asOf], env)
  }

  /** What a run that lived has printed; a missing document is a violation, a sum that does not add up as well. */
  private check({ stdout, stderr, code }: Ended): RunSummary | undefined {
    try {
      const [summary] = (JSON.parse(stdout) as RunDocument).runs
      if (summary !== undefined) this.violations.push(...judgeSums(summary))
      return summary
    } catch {
      this.violations.push(`a run ended with ${code} and without a document: ${stdout} ${stderr}`)
      return undefined
    }
  }

  private async judge(when: string): Promise<Verdict> {
    const state = await inspectState(this.project.root, 'everyone')
    const verdict = judge(this.plan.scenario, this.far, this.truth, state)
    this.violations.push(...verdict.violations.map(text => `${when}: ${text}`))
    this.figures.parked = state.parked.size
    return verdict
  }
}

function isDone({ status, outcomes }: RunSummary): boolean {
  return (status === 'succeeded' || status === 'partial') && outcomes.pending === 0
}

/** A lease is renewed every third of its length: to see that within a run that takes a fifth of a second, it is short. */
function environmentOf(kill: Kill): Readonly<Record<string, string>> {
  if ('milliseconds' in kill) return {}
  const short = kill.name.startsWith('ledger.renew') ? { ACTIVATE_LEASE_MS: '240' } : {}
  return { ACTIVATE_FAILPOINT: `${kill.name}:${kill.hit}=kill`, ...short }
}

export function describeLife({ scenario, seed, nights }: Pick<LifePlan, 'scenario' | 'seed' | 'nights'>): string {
  const kills = nights.map(night =>
    night.map(kill => ('name' in kill ? `${kill.name}:${kill.hit}` : `${kill.milliseconds} ms`)).join(' then '),
  )
  return `${describeScenario(scenario)}, seed ${seed}, killed at [${kills.join(' | ')}]`
}

/** Works through lives, so many at a time. */
export async function liveAll(
  plans: Iterable<LifePlan>,
  atOnce: number,
  onLife: (life: Life) => void = () => undefined,
): Promise<Life> {
  const figures = { ...noFigures }
  const reached = new Set<FailpointName>()
  const violations: string[] = []
  const waiting = plans[Symbol.iterator]()
  const warm = await warmUp(atOnce)
  const work = async () => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      const plan = next.value
      const life = await live(plan, warm)
      onLife(life)
      for (const name of Object.keys(figures) as (keyof Figures)[]) figures[name] += life.figures[name]
      for (const name of life.reached) reached.add(name)
      violations.push(...life.violations)
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, work))
  } finally {
    await warm.close()
  }
  return { figures, reached, violations }
}
