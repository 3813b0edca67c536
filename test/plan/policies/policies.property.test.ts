import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isWithheld, unitInterval } from '../../../src/plan/policies/assignment.ts'
import { writeScratch } from '../../../src/plan/stage.ts'
import type { Cap, Holdout } from '../../../src/project/policies.ts'
import { raw } from '../../../src/warehouse/sql.ts'
import { isBigquery, isPostgres } from '../engine.ts'
import { model, openNights, type PlanNights } from '../plan-nights.ts'
import { consentRelations } from './consent-rows.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const place = { file: 'activate.yml', line: 1, column: 1 }
const hour = 3_600_000
const began = Date.parse('2026-03-01T00:00:00.000Z')
const keys = Array.from({ length: 8 }, (_, index) => `k${index}`)

/** Three programmes and a mirror, that share people, caps and holdouts. */
const programmes = [
  { name: 'win_back', mode: 'trigger', channel: 'email', purpose: 'marketing', priority: 10, on: 'enter' },
  { name: 'news', mode: 'trigger', channel: 'email', purpose: 'marketing', priority: 50, on: 'change' },
  { name: 'goodbye', mode: 'trigger', channel: 'sms', purpose: 'service', priority: 0, on: 'exit' },
  { name: 'list', mode: 'mirror', channel: 'email', purpose: 'marketing', priority: 0, on: 'enter' },
] as const

const someKeys = fc.subarray(keys)
const night = fc.record({
  programme: fc.integer({ min: 0, max: programmes.length - 1 }),
  later: fc.integer({ min: 1, max: 30 }),
  population: fc.dictionary(fc.constantFrom(...keys), fc.constantFrom('x', 'y', 'z')),
  answers: fc.array(fc.tuple(fc.constantFrom(...keys), fc.boolean(), fc.integer({ min: -20, max: 3 })), {
    maxLength: 4,
  }),
  parts: fc.option(fc.constantFrom(...keys), { nil: undefined, freq: 6 }),
  merges: fc.option(fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...keys)), { nil: undefined, freq: 4 }),
  rejected: someKeys,
  parked: someKeys,
  pending: someKeys,
  crashes: fc.boolean(),
})

const world = fc.record({
  nights: fc.array(night, { minLength: 3, maxLength: 9 }),
  reentry: fc.constantFrom('always' as const, 'never' as const, { after: 20 * hour }),
  caps: fc.array(
    fc.record({
      max: fc.integer({ min: 1, max: 2 }),
      hours: fc.integer({ min: 5, max: 60 }),
      everything: fc.boolean(),
    }),
    {
      maxLength: 2,
    },
  ),
  share: fc.constantFrom(0, 0.2, 0.5),
  consent: fc.boolean(),
})

type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never

/** What the far ends truly had, kept apart from everything that is tested. */
interface Sent {
  readonly programme: number
  readonly key: string
  readonly at: number
}

class Truth {
  readonly sent: Sent[] = []
  /** Keys by the arm in which they were first asked about, per programme. */
  readonly arms = new Map<string, 'withheld' | 'treated'>()
  readonly answers: { readonly key: string; readonly granted: boolean; readonly at: number }[] = []
  /** Groups of keys that are one person. */
  groups: string[][] = keys.map(key => [key])

  merge(a: string, b: string): void {
    const joined = [...new Set(this.groups.filter(group => group.includes(a) || group.includes(b)).flat())]
    this.groups = [...this.groups.filter(group => !group.some(key => joined.includes(key))), joined]
  }

  part(key: string): void {
    this.groups = [
      ...this.groups.map(group => group.filter(other => other !== key)).filter(group => group.length > 0),
      [key],
    ]
  }

  groupOf(key: string): readonly string[] {
    return this.groups.find(group => group.includes(key)) ?? [key]
  }

  mayReceive(key: string, at: number): boolean {
    const own = this.answers.filter(answer => this.groupOf(key).includes(answer.key) && answer.at <= at)
    const newest = Math.max(...own.map(answer => answer.at))
    const last = own.filter(answer => answer.at === newest)
    return last.length > 0 && last.every(({ granted }) => granted)
  }
}

async function live(nights: PlanNights, { nights: script, reentry, caps, share, consent }: World): Promise<void> {
  const truth = new Truth()
  const policies = {
    caps: caps.map(({ max, hours, everything }, index): Cap => {
      const counted = everything ? {} : { channel: 'email', purposes: ['marketing'] }
      return { name: `cap_${index}`, ...counted, max, per: hours * hour, place }
    }),
    holdouts:
      share === 0
        ? []
        : [{ name: 'global', share, epoch: '1', salt: 'global-1', appliesTo: 'all', place } satisfies Holdout],
    ...(consent
      ? { consent: { model: 'consents', default: { communications: 'deny', data: 'deny' }, place } as const }
      : {}),
  }
  const identity = { entity: 'person', key: 'id', identifiers: [], links: [], maxCluster: 50, minConfidence: 0, place }
  let at = began
  for (const [number, step] of script.entries()) {
    at += step.later * hour
    const asOf = new Date(at).toISOString()
    for (const [key, granted, shift] of step.answers) truth.answers.push({ key, granted, at: at + shift * hour })
    if (step.parts !== undefined) truth.part(step.parts)
    if (step.merges !== undefined) truth.merge(...step.merges)
    const merged = truth.groups.filter(group => group.length > 1)
    const pairs = merged.flatMap(group => group.map(key => `('${key}', '${[...group].sort()[0]}')`))
    const members =
      pairs.length === 0
        ? undefined
        : await writeScratch(
            nights.warehouse,
            `members_${number}`,
            raw(`select * from (values ${pairs.join(', ')}) t(key, entity)`),
          )
    const programme = programmes[step.programme] ?? programmes[0]
    const rows = truth.answers.map(
      ({ key, granted, at: given }) =>
        `('${key}', null, '*', '${granted ? 'granted' : 'denied'}', timestamptz '${new Date(given).toISOString()}', null, null)`,
    )
    const nobody = `('nobody', null, null, 'granted', timestamptz '2020-01-01', null, null)`
    const { mode, on, ...about } = programme
    const options = {
      asOf,
      sync: { ...about, mode, ...(mode === 'trigger' ? { trigger: { on, reentry, firstRun: 'send' as const } } : {}) },
      identity,
      policies,
      relations: {
        members,
        ...(consent
          ? await consentRelations(nights.warehouse, [...rows, nobody].join(', '), { ...about, asOf, members })
          : {}),
      },
      rejected: step.rejected,
      parked: step.parked.filter(key => !step.rejected.includes(key)),
      pending: step.pending,
    }
    const first = await nights.plan(model(step.population), options)
    const planned = await nights.outbox()
    const plan = step.crashes
      ? await nights.crash(model(step.population), options)
      : await nights.night(model(step.population), options)
    const outbox = await nights.outbox()

    expect(outbox, 'the same inputs give the same decisions').toEqual(planned)
    expect(plan.plan_hash).toBe(first.plan_hash)
    const { rows: counts, changes, decisions } = plan
    expect(counts.model).toBe(counts.quarantined + counts.ineligible + counts.population)
    expect(counts.population).toBe(counts.unchanged + changes.enter + changes.change)
    expect(outbox.length).toBe(changes.enter + changes.change + changes.leave)
    expect(outbox.length).toBe(Object.values(decisions).reduce((sum, n) => sum + n, 0))

    const sends = outbox.filter(row => row.decision === 'send')
    for (const { key, op } of sends) {
      if (consent && op !== 'leave') expect(truth.mayReceive(String(key), at), `${key} agreed`).toBe(true)
      const removal = mode === 'mirror' && op === 'leave'
      const withheld = policies.holdouts.some(holdout => isWithheld(sha256, holdout, truth.groupOf(String(key))))
      if (!removal) expect(withheld, `${key} is not withheld`).toBe(false)
      if (!removal) expect(truth.arms.get(`${programme.name} ${key}`), `${key} never was withheld`).not.toBe('withheld')
    }
    for (const { key, op, reason } of outbox) {
      const arm = `${programme.name} ${key}`
      const trigger = mode === 'mirror' ? op !== 'leave' : true
      if (trigger && reason === 'holdout.global' && !truth.arms.has(arm)) truth.arms.set(arm, 'withheld')
      if (trigger && sends.some(sent => sent.key === key) && !truth.arms.has(arm)) truth.arms.set(arm, 'treated')
    }
    if (mode !== 'trigger') continue
    const arrived = sends.filter(
      ({ key }) => step.crashes || (!options.rejected.includes(String(key)) && !options.pending.includes(String(key))),
    )
    for (const { key } of arrived) truth.sent.push({ programme: step.programme, key: String(key), at })
    for (const { key } of sends) {
      for (const cap of policies.caps) {
        const counted = truth.sent.filter(sent => {
          const by = programmes[sent.programme]
          const covered = cap.channel === undefined || (by?.channel === cap.channel && by.purpose === 'marketing')
          return covered && sent.at > at - cap.per && truth.groupOf(String(key)).includes(sent.key)
        })
        const concerned = cap.channel === undefined || about.channel === cap.channel
        if (concerned) expect(counted.length, `${key} under ${cap.name}`).toBeLessThanOrEqual(cap.max)
      }
    }
  }
}

test('whatever people, policies, histories and nights: sums hold, nobody is sent to without consent, over a cap or while withheld', async () => {
  await fc.assert(
    fc.asyncProperty(world, async script => {
      const nights = await openNights()
      try {
        await live(nights, script)
      } finally {
        await nights.close()
      }
    }),
    { numRuns: isBigquery() ? 2 : isPostgres() ? 5 : 30 },
  )
}, 300_000)

test('SQL assignment is the TypeScript one on any key', async () => {
  const nights = await openNights()
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ unit: 'grapheme', minLength: 1 }).filter(text => !text.includes('\0')),
          { minLength: 1, maxLength: 40 },
        ),
        fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/),
        async (texts, salt) => {
          const { dialect } = nights.warehouse
          const draws = texts.map(text => dialect.unitInterval(dialect.literal(salt), dialect.literal(text)))
          const [row = {}] = await nights.warehouse.query({
            sql: `select ${draws.map((draw, index) => `${draw} as u${index}`).join(', ')}`,
            params: [],
          })
          expect(texts.map((_, index) => row[`u${index}`])).toEqual(texts.map(text => unitInterval(sha256, salt, text)))
        },
      ),
      { numRuns: 50 },
    )
  } finally {
    await nights.close()
  }
})
