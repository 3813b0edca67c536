/** Approvals: who said that exactly this plan may be executed. */
import { appendEntry, lockTrail } from './audit.ts'
import type { Database } from './database.ts'
import type { Governance } from './governance.ts'

interface ApprovalRow {
  ordinal: number
  plan_hash: string
  sync: string
  actor: string
  reason: string
  at: number
}

export function approvalsOf(database: Database): Pick<Governance, 'approve' | 'approvalOf'> {
  const { knex } = database

  return {
    approve: ({ planHash: plan_hash, sync, actor, reason, at }, detail) =>
      database.write(async bind => {
        await lockTrail(database, bind)
        await bind(knex<ApprovalRow>('approvals').insert({ plan_hash, sync, actor, reason, at }))
        const entry = { actor, at, action: 'approve', subject: `sync:${sync}` } as const
        await appendEntry(database, bind, { ...entry, detail: { ...detail, reason, plan_hash } })
      }),

    async approvalOf(planHash) {
      const query = knex<ApprovalRow>('approvals').where({ plan_hash: planHash }).orderBy('ordinal', 'desc').first()
      const row = await database.read(query)
      if (row === undefined) return undefined
      const { plan_hash, sync, actor, reason, at } = row
      return { planHash: plan_hash, sync, actor, reason, at }
    },
  }
}
