import { selectAnswers, selectDenied } from '../../../src/plan/policies/consent.ts'
import type { PolicyRelations } from '../../../src/plan/policies/relations.ts'
import { writeScratch } from '../../../src/plan/stage.ts'
import { type Fragment, raw, sql } from '../../../src/warehouse/sql.ts'
import type { Warehouse } from '../../../src/warehouse/warehouse.ts'

let count = 0

/** The relations of consents that a run would make from these rows: (person, channel, purpose, status, updated_at, basis, evidence). */
export async function consentRelations(
  warehouse: Warehouse,
  rows: string,
  about: {
    readonly channel?: string
    readonly purpose?: string
    readonly asOf: string
    readonly members?: Fragment | undefined
  },
): Promise<Pick<PolicyRelations, 'answers' | 'denied'>> {
  count += 1
  const columns = 'person, channel, purpose, status, updated_at, basis, evidence'
  const consents = await writeScratch(
    warehouse,
    `consent_rows_${count}`,
    raw(`select * from (values ${rows}) t(${columns})`),
  )
  const { channel, purpose, asOf, members } = about
  const has = { basis: true, evidence: true }
  const params = { consents, person: raw('person'), channel, purpose, asOf, members, has }
  const answers = sql`(${selectAnswers(warehouse.dialect, params)}) answers`
  return { answers, denied: await writeScratch(warehouse, `denied_${count}`, selectDenied(answers)) }
}
