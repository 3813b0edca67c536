/** What the stage tells of changes is what a join of all rows with the snapshot tells, whoever is in quarantine, suppressed or released. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countStandings, selectCompared, trustedComparison } from '../../src/plan/candidates.ts'
import { selectChanges } from '../../src/plan/diff.ts'
import { selectDigests } from '../../src/plan/population.ts'
import { execute, materialise, query, type StagedPopulation, writeScratch } from '../../src/plan/stage.ts'
import { aheadOf } from '../../src/plan/stage-ahead.ts'
import { prepareState } from '../../src/plan/state-tables.ts'
import type { Sync } from '../../src/project/project.ts'
import { type Fragment, raw, sql } from '../../src/warehouse/sql.ts'
import { type BigqueryServer, startBigquery } from '../bigquery/server.ts'
import { openState } from '../bigquery/state.ts'
import type { OpenedWarehouse } from '../conformance/warehouse/trial.ts'
import { zetasqlMissing } from '../engines/zetasql.ts'
import { fieldsOf, syncOf } from './plan-nights.ts'

const keys: readonly string[] = ['a', 'b', 'c', 'd', 'e']
const standings = ['member', 'withheld', 'left', 'remains'] as const
const some = fc.subarray([...keys])

interface Night {
  readonly model: [key: string | null, v: string][]
  readonly snapshot: [key: string, v: string, standing: string][]
  readonly quarantined: string[]
  readonly ineligible: string[]
  readonly released: string[]
  readonly mode: 'mirror' | 'upsert'
}

/** Per key: what the model has (once or twice, or not at all), what the snapshot has, and who is set apart tonight. */
const nights: fc.Arbitrary<Night> = fc.record({
  model: fc.array(fc.tuple(fc.constantFrom(...keys, null), fc.constantFrom('x', 'y')), { maxLength: 7 }),
  snapshot: fc.uniqueArray(
    fc.tuple(fc.constantFrom(...keys), fc.constantFrom('x', 'y'), fc.constantFrom(...standings)),
    {
      selector: ([key]) => key,
    },
  ),
  ...{ quarantined: some, ineligible: some, released: some },
  mode: fc.constantFrom('mirror' as const, 'upsert' as const),
})

/** Twice in the model, other than before, and not allowed to take part any more. */
const leavesOnce = {
  model: [
    ['a', 'y'],
    ['a', 'y'],
  ],
  snapshot: [['a', 'x', 'member']],
  ...{ quarantined: [], ineligible: ['a'], released: [], mode: 'mirror' },
} satisfies Night

describe.skipIf(zetasqlMissing !== undefined)('a stage that was compared with the snapshot', () => {
  let server: BigqueryServer
  let opened: OpenedWarehouse
  let count = 0
  beforeAll(async () => {
    server = await startBigquery()
    opened = await openState(server)
  })
  afterAll(async () => {
    await opened.cleanup()
    await server.stop()
  })

  const list = (rows: readonly string[], none: string) =>
    rows.join(' union all ') || `${none} from (select 1) where 1 = 0`
  const listed = (name: string, ofKeys: readonly string[]) =>
    writeScratch(
      opened.warehouse,
      name,
      raw(
        list(
          ofKeys.map(key => `select '${key}' as key`),
          "select '' as key",
        ),
      ),
    )
  const text = (value: string | null) => (value === null ? 'cast(null as string)' : `'${value}'`)

  async function staged(
    night: { readonly model: readonly (readonly [string | null, string])[] },
    sync: Sync,
    name: string,
  ) {
    const { snapshot } = await prepareState(opened.warehouse, sync.name)
    const rows = night.model.map(([key, v]) => `select ${text(key)} as id, '${v}' as v`)
    const compiled = list(rows, "select '' as id, '' as v")
    const stage = await materialise(opened.warehouse, `stage__${name}`, compiled, {
      ...{ model: { key: ['id'] }, sync, snapshot },
    })
    return { snapshot, stage, modelRows: night.model.length, quarantine: undefined }
  }

  async function remember(rows: readonly (readonly [string, string, string])[], sync: string): Promise<void> {
    const { snapshotTable: snapshot } = await prepareState(opened.warehouse, sync)
    await execute(opened.warehouse, sql`delete from ${snapshot} where true`)
    const each = rows.map(
      ([key, v, standing], n) =>
        `select '${key}' as key, farm_fingerprint('{"v":"${v}"}') as digest, 1 as episode, ${n + 1} as version, '${standing}' as standing`,
    )
    if (each.length > 0)
      await execute(
        opened.warehouse,
        sql`insert into ${snapshot} (key, digest, episode, version, standing) ${raw(each.join(' union all '))}`,
      )
  }

  const rowsOf = async (select: Fragment) =>
    (await query(opened.warehouse, select)).map(({ key, op }) => `${key} ${op}`).sort()

  test('names the same changes as a full join, or is not trusted', async () => {
    const { dialect } = opened.warehouse
    const ahead = aheadOf(dialect)
    let trustedNights = 0
    await fc.assert(
      fc.asyncProperty(nights, async night => {
        count += 1
        const sync = syncOf({ mode: night.mode, fields: fieldsOf({ v: { column: 'v' } }) })
        await remember(night.snapshot, 's')
        const population = await staged(night, sync, `n${count}`)
        // Keys that are missing or there twice are always in quarantine by the time at which changes are looked for.
        const twice = keys.filter(key => night.model.filter(([own]) => own === key).length > 1)
        const quarantined = await listed(`quarantine__${count}`, [...new Set([...night.quarantined, ...twice])])
        const inModel = night.ineligible.filter(key => night.model.some(([own]) => own === key))
        const ineligible = await listed(`ineligible__${count}`, inModel)
        const frozen = sql`(select key from ${quarantined} where key not in (select key from ${ineligible})) frozen`
        const withheld = night.snapshot.flatMap(([key, , standing]) => (standing === 'withheld' ? [key] : []))
        const released = await listed(
          `released__${count}`,
          night.released.filter(key => withheld.includes(key)),
        )
        const trusted = await trustedComparison(opened.warehouse, sync, population, ineligible)
        if (trusted === undefined) return
        trustedNights += 1
        const apart = { ineligible, frozen, released, removesLeavers: night.mode === 'mirror' }
        const digests = selectDigests(dialect, { stage: population.stage.relation, ahead, quarantined })
        const whole = selectChanges(dialect, {
          ...{ ...apart, population: digests, snapshot: population.snapshot, everyone: false, comparable: undefined },
        })
        expect(await rowsOf(selectCompared(dialect, trusted, { ...apart, quarantined }))).toEqual(await rowsOf(whole))
        const unique = { ...population, quarantine: undefined }
        if (twice.length === 0 && night.model.every(([key]) => key !== null))
          expect(await countStandings(opened.warehouse, population.snapshot, unique, trusted)).toEqual(
            await countStandings(opened.warehouse, population.snapshot, unique, undefined),
          )
      }),
      { numRuns: 40, seed: 5, examples: [[leavesOnce]] },
    )
    expect(trustedNights).toBeGreaterThan(15)
  })

  test('is not trusted once the snapshot has moved, or who is as before may not take part any more', async () => {
    const sync = syncOf({ mode: 'mirror', fields: fieldsOf({ v: { column: 'v' } }) })
    const model = [['a', 'x'] as const, ['b', 'x'] as const]
    await remember([['a', 'x', 'member']], 's')
    const population = await staged({ model }, sync, 'moved')
    const isTrusted = async (ineligible?: readonly string[]) => {
      const relation = ineligible && (await listed(`asked_${ineligible.join('')}`, ineligible))
      return (
        (await trustedComparison(opened.warehouse, sync, population as Pick<StagedPopulation, 'stage'>, relation)) !==
        undefined
      )
    }
    expect([await isTrusted(), await isTrusted(['b']), await isTrusted(['a'])]).toEqual([true, true, false])
    await remember([['a', 'x', 'left']], 's')
    expect(await isTrusted()).toBe(false)
  })
})
