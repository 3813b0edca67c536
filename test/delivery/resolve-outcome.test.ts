import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAccount } from '../../src/delivery/account.ts'
import { createBreaker } from '../../src/delivery/breaker.ts'
import { createConcurrency } from '../../src/delivery/concurrency.ts'
import type { Answer, Idempotency, LookupVerdict, RecordOutcome } from '../../src/delivery/destination.ts'
import { settleFindings } from '../../src/delivery/interpret.ts'
import type { OpenDestination } from '../../src/delivery/open-destination.ts'
import { askedNext, resolveInquiry } from '../../src/delivery/resolve-inquiry.ts'
import { type Resolution, resolveOutcome } from '../../src/delivery/resolve-outcome.ts'
import { defaultBudget } from '../../src/delivery/retry.ts'
import { begunOnce, type Task, tasksOfBatch } from '../../src/delivery/task.ts'
import type { PlannedChange } from '../../src/plan/plan.ts'

function destinationWith(idempotency: Idempotency): OpenDestination {
  return {
    name: 'far',
    limits: [],
    concurrency: 1,
    account: createAccount(() => 'far', []),
    breaker: createBreaker(),
    adaptive: createConcurrency(1),
    readLimits: () => [],
    action: () => ({ summary: '', modes: ['upsert'], batch: { maxRecords: 100 }, idempotency }),
    prepare: (action, changes, idempotencyKey) => ({
      action,
      changes,
      idempotencyKey,
      bodyHash: JSON.stringify(changes),
    }),
    attempt: async () => ({ kind: 'acked' }),
    ask: async () => ({ kind: 'each', findings: [] }),
    askForJob: async () => ({ kind: 'pending' }),
    probe: async () => undefined,
    close: async () => undefined,
  }
}

function changesOf(count: number): readonly PlannedChange[] {
  return Array.from({ length: count }, (_, i) => ({
    seq: i + 1,
    key: `k${i}`,
    op: 'enter',
    changeId: `c${i}`,
    fields: {},
  }))
}

function taskOf(count: number, idempotency: Idempotency): Task {
  const [task] = tasksOfBatch(
    { runId: 'r', destination: destinationWith(idempotency) },
    { action: 'a', changes: changesOf(count), tooLarge: false },
  )
  if (task === undefined) throw new TypeError('no task')
  return { ...task, attempt: 1, spent: { attempts: 1, connections: 0, throttled: 0 }, firstSentAt: 0 }
}

const classes = fc.constantFrom<Idempotency>(
  { kind: 'natural' },
  { kind: 'keyed', window: 3_600_000 },
  { kind: 'lookup', settle: 60_000 },
  { kind: 'none' },
)
const reason = { code: 'x', message: 'y' }
const outcome = fc.record({
  index: fc.integer({ min: 0, max: 9 }),
  outcome: fc.constantFrom<RecordOutcome['outcome']>('acked', 'rejected', 'retry', 'uncertain'),
})
const verdict = fc.oneof(
  fc.constantFrom<Answer>(
    { kind: 'acked' },
    { kind: 'refused', ...reason },
    { kind: 'retry', ...reason },
    { kind: 'retry', code: 'rate_limited', message: '', after: 1_000 },
    { kind: 'uncertain', ...reason },
    { kind: 'denied', ...reason },
  ),
  fc.array(outcome, { maxLength: 12 }).map(
    (named): Answer => ({
      kind: 'each',
      outcomes: named.map(
        ({ index, outcome: said }): RecordOutcome => ({ changeId: `c${index}`, outcome: said, ...reason }),
      ),
    }),
  ),
)
const situation = fc.record({
  count: fc.integer({ min: 1, max: 8 }),
  idempotency: classes,
  verdicts: fc.array(verdict, { minLength: 1, maxLength: 10 }),
  onUncertain: fc.constantFrom('park' as const, 'resend' as const),
  /** Records that one question may name. */
  atMost: fc.constantFrom(1, 3, undefined),
})

interface Step {
  readonly before: Task
  readonly said: Answer
  readonly resolution: Resolution
}

/** Lets a request live through these verdicts until it is done with. */
function live({
  count,
  idempotency,
  verdicts,
  onUncertain,
  atMost,
}: typeof situation extends fc.Arbitrary<infer Value> ? Value : never): readonly Step[] {
  const steps: Step[] = []
  let task = taskOf(count, idempotency)
  const context = { now: 1_000, random: () => 0.5, budget: defaultBudget, onUncertain }
  for (const said of verdicts) {
    const resolution =
      task.inquiry === undefined
        ? resolveOutcome(task, said, context)
        : resolveInquiry(task, askedNext(task, atMost), asAnswer(said), context)
    steps.push({ before: task, said, resolution })
    if (resolution.again === undefined) break
    const { task: next } = resolution.again
    task = begunOnce(next, { attempt: next.attempt + 1, firstSentAt: next.firstSentAt, begunAt: next.begunAt })
  }
  return steps
}

/** The same words as the answer to a question: acked is found, rejected is absent. */
function asAnswer(said: Answer): LookupVerdict {
  const finding = { acked: 'found', rejected: 'absent', retry: 'unknown', uncertain: 'unknown' } as const
  if (said.kind === 'each') {
    const findings = said.outcomes.map(({ changeId, outcome: told }) => ({ changeId, finding: finding[told] }))
    return { kind: 'each', findings }
  }
  if (said.kind === 'acked' || said.kind === 'refused') {
    const told = said.kind === 'acked' ? 'found' : 'absent'
    return { kind: 'each', findings: changesOf(9).map(({ changeId }) => ({ changeId, finding: told })) }
  }
  return said.kind === 'denied' ? said : { ...said, kind: 'unanswered' }
}

describe('what follows from an attempt', () => {
  test('accounts for every record exactly once: acked, rejected, parked, moved, or left for the next run', () => {
    fc.assert(
      fc.property(situation, given => {
        const last = live(given).at(-1)
        if (last === undefined || last.resolution.again !== undefined) return
        const { counts, moved } = last.resolution
        const continuing = moved.flatMap(({ changes }) => changes).length
        expect(counts.acked + counts.rejected + counts.parked + counts.pending + continuing).toBe(given.count)
      }),
      { numRuns: 500 },
    )
  })

  test('tells the ledger what it counts: exceptions name every record that was not acknowledged', () => {
    fc.assert(
      fc.property(situation, given => {
        const last = live(given).at(-1)
        if (last === undefined || last.resolution.state === 'planned' || last.resolution.again !== undefined) return
        const { counts, exceptions, state, moved, afterwards } = last.resolution
        const named = (wanted: string) => exceptions.filter(exception => exception.state === wanted).length
        if (afterwards === 'planned') return
        expect(named('rejected')).toBe(counts.rejected)
        expect(named('parked')).toBe(counts.parked)
        expect(named('moved')).toBe(moved.flatMap(({ changes }) => changes).length + counts.pending)
        if (state === 'acked') expect(exceptions.length).toBe(given.count - counts.acked)
        else expect(counts.acked).toBe(0)
      }),
      { numRuns: 500 },
    )
  })

  test('acknowledges a record only when the destination said so', () => {
    fc.assert(
      fc.property(situation, given => {
        const steps = live(given)
        const last = steps.at(-1)
        if (last === undefined || last.resolution.counts.acked === 0) return
        const exceptions = new Set(last.resolution.exceptions.map(({ changeId }) => changeId))
        for (const { changeId } of last.before.changes.filter(change => !exceptions.has(change.changeId))) {
          const saidSo = steps.some(
            ({ said }) =>
              said.kind === 'acked' ||
              (said.kind === 'each' && said.outcomes.some(one => one.changeId === changeId && one.outcome === 'acked')),
          )
          expect(saidSo).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('never repeats by guess what cannot be repeated: not as it was, not in another request, not in the next run', () => {
    fc.assert(
      fc.property(situation, given => {
        fc.pre(given.onUncertain === 'park' && given.idempotency.kind === 'none')
        for (const { said, resolution } of live(given)) {
          const uncertain =
            said.kind === 'uncertain'
              ? new Set(changesOf(given.count).map(({ changeId }) => changeId))
              : uncertainIn(said, given.count)
          if (uncertain.size === 0) continue
          expect(resolution.again).toBeUndefined()
          const parked = new Set(
            resolution.exceptions.filter(({ state }) => state === 'parked').map(({ changeId }) => changeId),
          )
          for (const changeId of uncertain) expect(parked).toContain(changeId)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('what can be asked about is sent again only once the destination surely does not have it', () => {
    fc.assert(
      fc.property(situation, given => {
        fc.pre(given.onUncertain === 'park' && given.idempotency.kind === 'lookup')
        const open = new Set<string>()
        for (const { before, said, resolution } of live(given)) {
          if (before.inquiry === undefined) {
            for (const { changeId } of before.changes) if (maybeApplied(said, changeId)) open.add(changeId)
          } else {
            for (const { changeId } of changesOf(given.count))
              if (isDecided(asAnswer(said), changeId)) open.delete(changeId)
          }
          const next = resolution.again?.task
          if (next?.inquiry === undefined)
            for (const { changeId } of next?.changes ?? []) expect(open).not.toContain(changeId)
          for (const { changeId } of resolution.moved.flatMap(({ changes }) => changes))
            expect(open).not.toContain(changeId)
          const parked = new Set(
            resolution.exceptions.filter(({ state }) => state === 'parked').map(one => one.changeId),
          )
          if (resolution.again === undefined) for (const changeId of open) expect(parked).toContain(changeId)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('asks only so many times in vain, and about each record that is not clear', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.constantFrom(1, 3, undefined), (count, atMost) => {
        const verdicts: Answer[] = Array.from({ length: 200 }, () => ({ kind: 'each', outcomes: [] }))
        const idempotency = { kind: 'lookup', settle: 60_000 } as const
        const steps = live({
          count,
          idempotency,
          verdicts: [{ kind: 'uncertain', ...reason }, ...verdicts],
          onUncertain: 'park',
          atMost,
        })
        expect(steps.at(-1)?.resolution.counts).toMatchObject({ parked: count })
        expect(steps).toHaveLength(1 + Math.ceil(count / (atMost ?? count)) * defaultBudget.maxAttempts)
      }),
    )
  })

  test('a keyed request that may have arrived never continues under another key', () => {
    fc.assert(
      fc.property(situation, given => {
        fc.pre(given.idempotency.kind === 'keyed')
        for (const { before, resolution } of live(given)) {
          if (!before.doubt) continue
          expect(resolution.moved).toEqual([])
          expect(resolution.counts.pending).toBe(0)
          if (resolution.again !== undefined) expect(resolution.state).toBe('uncertain')
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a refusal that a repetition turns into a yes is a yes, and a yes stays one', () => {
    const task = taskOf(3, { kind: 'keyed', window: 3_600_000 })
    const named = (...outcomes: readonly RecordOutcome['outcome'][]): Answer => ({
      kind: 'each',
      outcomes: outcomes.map((said, index): RecordOutcome => ({ changeId: `c${index}`, outcome: said, ...reason })),
    })
    const first = resolveOutcome(task, named('rejected', 'acked', 'uncertain'), contextOf())
    if (first.again === undefined) throw new TypeError('the request is repeated')
    const { task: next } = first.again
    const again = begunOnce(next, { attempt: 2, firstSentAt: next.firstSentAt, begunAt: next.begunAt })
    expect(resolveOutcome(again, named('acked', 'rejected', 'acked'), contextOf())).toMatchObject({
      counts: { acked: 3 },
    })
    const refused = resolveOutcome(again, named('uncertain', 'uncertain', 'acked'), contextOf())
    expect(refused).toMatchObject({ counts: { acked: 2, rejected: 1 } })
  })

  test('halves a refused batch and rejects a refused record', () => {
    const halves = resolveOutcome(taskOf(5, { kind: 'none' }), { kind: 'refused', ...reason }, contextOf())
    expect(halves.moved.map(({ changes }) => changes.map(({ seq }) => seq))).toEqual([
      [1, 2, 3],
      [4, 5],
    ])
    const alone = resolveOutcome(taskOf(1, { kind: 'none' }), { kind: 'refused', ...reason }, contextOf())
    expect(alone).toMatchObject({ state: 'rejected', counts: { rejected: 1 } })
  })

  test('a key that would be forgotten before the next attempt protects no more', () => {
    const task = taskOf(2, { kind: 'keyed', window: 10_000 })
    const resolution = resolveOutcome(task, { kind: 'uncertain', ...reason, after: 9_500 }, contextOf())
    expect(resolution).toMatchObject({ state: 'uncertain', afterwards: 'parked', counts: { parked: 2 } })
  })
})

function contextOf() {
  return { now: 0, random: () => 0.5, budget: defaultBudget, onUncertain: 'park' as const }
}

function maybeApplied(said: Answer, changeId: string): boolean {
  return said.kind === 'uncertain' || uncertainIn(said, 9).has(changeId)
}

function isDecided(said: LookupVerdict, changeId: string): boolean {
  if (said.kind !== 'each') return false
  const [first] = settleFindings(said.findings, [{ changeId }])
  return first?.finding !== 'unknown'
}

/** Ids that a verdict for single records leaves open in a way that allows that they were applied. */
function uncertainIn(said: Answer, count: number): Set<string> {
  if (said.kind !== 'each') return new Set()
  const ids = Array.from({ length: count }, (_, i) => `c${i}`)
  return new Set(
    ids.filter(id => {
      const outcomes = new Set(said.outcomes.filter(({ changeId }) => changeId === id).map(one => one.outcome))
      return outcomes.size !== 1 || outcomes.has('uncertain')
    }),
  )
}

test('a pause longer than a run waits is the whole of it for the account, and the request asks the gate at once', () => {
  const context = { now: 0, random: () => 0.5, budget: defaultBudget, onUncertain: 'park' } as const
  const told = (after: number) => {
    const { pause, again } = resolveOutcome(taskOf(1, { kind: 'none' }), { kind: 'retry', ...reason, after }, context)
    return [pause, again?.delay]
  }
  expect(told(15 * 60_000)).toEqual([15 * 60_000, 15 * 60_000])
  expect(told(60 * 60_000)).toEqual([60 * 60_000, 0])
})
