/** Any sequence of nights, with whatever may go wrong in them, ends with what the reference model says: no more, no less. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOfOptOut } from '../../src/ledger/opt-out-hash.ts'
import type { RunSummary } from '../../src/run.ts'
import { seededRandom } from '../../src/sandbox/seeded.ts'
import { makeProject, type TestProject, withProject } from '../e2e/project.ts'
import { type FarEnd, startFarEnd } from './far-end.ts'
import { classNames, type IdempotencyClass, idempotencyClasses } from './idempotency-classes.ts'
import { mortal, runOnce, type WallClock, wallClock } from './in-process.ts'
import { inspectState } from './inspection.ts'
import { counted, judgeSums, needlesslyParked } from './judgement.ts'
import { everyHit } from './plans.ts'
import { Programme } from './programme.ts'
import { sqliteLedger } from './scenario.ts'

/** `TORTURE_SCRIPTS=200 npx vitest run test/torture/nights.property.test.ts` plays as many as asked. */
const scripts = Number(process.env.TORTURE_SCRIPTS ?? 6)

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const key = fc.constantFrom(...keys)

/** Leases last a minute here, so nothing is renewed; and what shuts down has recorded everything. */
const crashes = everyHit.filter(({ name }) => !name.startsWith('ledger.renew') && !name.startsWith('shutdown'))

const night = fc.record({
  comes: fc.array(fc.tuple(key, fc.constantFrom('x', 'y', 'bad'), fc.constantFrom('gold', 'tin')), { maxLength: 5 }),
  goes: fc.subarray(keys, { maxLength: 2 }),
  answers: fc.array(fc.tuple(key, fc.constantFrom('granted' as const, 'granted' as const, 'denied' as const)), {
    maxLength: 5,
  }),
  remaps: fc.boolean(),
  optsOut: fc.option(key, { freq: 3 }),
  crashes: fc.array(fc.constantFrom(...crashes), { maxLength: 3 }),
  rival: fc.boolean(),
  faultRate: fc.constantFrom(0, 0.1, 0.3),
})

const script = fc.record({
  idempotency: fc.constantFrom(...classNames),
  seed: fc.nat({ max: 1_000_000 }),
  nights: fc.array(night, { minLength: 2, maxLength: 5 }),
})

type Script = typeof script extends fc.Arbitrary<infer Value> ? Value : never

test('whatever happens in them, after each night the destination has what the model says', {
  timeout: 100_000 + scripts * 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(script, async what => {
      const far = await startFarEnd(seededRandom(what.seed))
      const programme = new Programme()
      const project = await makeProject(programme.files(far.url, sqliteLedger, what.idempotency))
      try {
        await new Story(what, far, project, programme).live()
      } finally {
        await project.remove()
        await far.close()
      }
    }),
    { numRuns: scripts, endOnFailure: true },
  )
})

class Story {
  private readonly script: Script
  private readonly far: FarEnd
  private readonly project: TestProject
  private readonly programme: Programme
  private readonly clock: WallClock = wallClock()
  private names = 0

  constructor(what: Script, far: FarEnd, project: TestProject, programme: Programme) {
    this.script = what
    this.far = far
    this.project = project
    this.programme = programme
  }

  async live(): Promise<void> {
    const { far, programme, script: what } = this
    for (const [number, events] of what.nights.entries()) {
      await this.change(events)
      far.faultRate = events.faultRate
      const had = this.lettersSoFar()
      const due = new Set(programme.due(number))
      for (const [index, crash] of events.crashes.entries()) {
        await this.run(number, mortal(crash))
        if (index === 0 && events.optsOut !== null) await this.optOut(events.optsOut, due, had)
      }
      if (events.rival) await Promise.all([this.run(number), this.run(number)])
      await this.finish(number)
      await this.judge(number, due, had)
    }
    far.faultRate = 0
    const before = far.effects.length
    const runs = await this.run(what.nights.length - 1)
    expect(runs.map(({ status, requests }) => [status, requests])).toEqual(runs.map(() => ['succeeded', 0]))
    expect(far.effects.length).toBe(before)
  }

  private async change({ comes, goes, answers, remaps }: Script['nights'][number]): Promise<void> {
    const { programme, far, project, script: what } = this
    for (const gone of goes) programme.people.delete(gone)
    for (const [who, kind, tier] of comes) {
      this.names += 1
      programme.people.set(who, { name: `${kind}${this.names}`, tier })
    }
    for (const [who, answer] of answers) programme.answers.set(who, answer)
    if (remaps) programme.wide = !programme.wide
    await project.write(programme.files(far.url, sqliteLedger, what.idempotency))
  }

  /** Somebody opts out in the middle of the night: whoever has not been written to must not be any more. */
  private async optOut(who: string, due: Set<string>, had: ReadonlyMap<string, number>): Promise<void> {
    const at = this.clock.now()
    const hash = hashOfOptOut('id', who)
    await withProject(this.project, async wired => {
      const ledger = await wired.ledger()
      await ledger.suppress([{ kind: 'id', hash }], { actor: 'somebody', at, reason: 'opt_out' })
    })
    this.programme.optedOut.add(who)
    if ((this.lettersSoFar().get(who) ?? 0) === (had.get(who) ?? 0)) due.delete(who)
  }

  private async run(number: number, fate = mortal()): Promise<readonly RunSummary[]> {
    const asOf = `2026-03-0${number + 1}`
    const runs = await runOnce(this.project, { asOf, clock: this.clock, failpoints: fate })
    if (!fate.crashed) expect(runs.flatMap(judgeSums)).toEqual([])
    return runs
  }

  private async finish(number: number): Promise<void> {
    let last: readonly RunSummary[] = []
    for (let attempt = 0; attempt < 10; attempt++) {
      last = await this.run(number)
      const isDone = ({ status, outcomes }: RunSummary) =>
        (status === 'succeeded' || status === 'partial') && outcomes.pending === 0
      if (last.every(isDone)) return
    }
    throw new Error(`night ${number + 1} is never done: ${JSON.stringify(last.map(({ plan: _, ...rest }) => rest))}`)
  }

  private lettersSoFar(): ReadonlyMap<string, number> {
    return counted(this.far.effects.filter(({ path }) => path === '/post').map(effect => effect.key))
  }

  private async judge(number: number, due: ReadonlySet<string>, had: ReadonlyMap<string, number>): Promise<void> {
    const { far, programme } = this
    const promise: IdempotencyClass = idempotencyClasses[this.script.idempotency]
    const crm = await inspectState(this.project.root, 'crm')
    const mail = await inspectState(this.project.root, 'mail')
    const now = this.lettersSoFar()
    const written = new Set(keys.filter(who => (now.get(who) ?? 0) > (had.get(who) ?? 0)))
    // Who is parked may have had it or not, and gets nothing any more.
    const sure = (list: Iterable<string>) => [...list].filter(who => !mail.parked.has(who)).sort()
    expect({ night: number, written: sure(written) }).toEqual({ night: number, written: sure(due) })
    programme.pass(number, written)

    expect({ night: number, mirror: plain(far.records) }).toEqual({ night: number, mirror: plain(programme.mirrored) })
    expect(plain(crm.snapshot)).toEqual(plain(programme.mirrored))
    expect([...mail.snapshot.keys()].filter(who => !mail.parked.has(who)).sort()).toEqual(sure(programme.members))

    const letters = far.effects.filter(({ path }) => path === '/post').map(({ changeId }) => changeId)
    const twice = [...counted(letters)].filter(([, times]) => times > 1)
    if (promise.once) expect(twice).toEqual([])
    if (promise.neverResent) expect(letters.filter(id => (far.arrivals.get(id) ?? 0) > 1)).toEqual([])
    expect([needlesslyParked(promise, far, mail), [...crm.parked]]).toEqual([[], []])
    expect(far.conflicts).toEqual([])
    for (const state of [crm, mail]) {
      expect(state.requests.filter(({ state: at }) => at === 'sending' || at === 'uncertain')).toEqual([])
      expect([state.unsettledRuns, state.outboxes, state.reservations]).toEqual([[], [], 0])
    }
  }
}

function plain(records: ReadonlyMap<string, object>): Readonly<Record<string, object>> {
  return Object.fromEntries([...records].sort(([a], [b]) => (a < b ? -1 : 1)))
}
