/**
 * What the warehouse says, at recovery, of the people to whom a dead run may have to speak again. A run that lives looks at
 * opt-outs and holds before each send (`last-look.ts`); between a crash and its recovery days may pass, in which consents and
 * lists change as well. Asked once, before anything is repeated (docs/decisions/0038).
 */
import type { Recheck, Withdrawal } from '../delivery/deliver.ts'
import type { Members, Request, Run } from '../ledger/ledger.ts'
import { personKindOf } from '../plan/decide.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { selectListed, selectWithdrawn } from '../plan/policies/withdrawn.ts'
import { query } from '../plan/stage.ts'
import { outboxName } from '../plan/state.ts'
import { concerns, isCommunication } from '../project/communication.ts'
import type { Sync } from '../project/project.ts'
import { type Fragment, raw } from '../warehouse/sql.ts'
import type { Night } from './night.ts'
import { policiesFor } from './policies.ts'

/** Bound values of one statement. */
const hashesPerStatement = 500

/**
 * By `seq`, who must not be sent to any more. Asks nothing when nothing may be sent again, or when no more than data would be: a
 * repeated record is what tonight's plan then removes.
 *
 * @throws what is wrong with the models of policies, A4023 to A4026: then nothing is repeated
 */
export async function withdrawnSince(
  night: Night,
  sync: Sync,
  run: Pick<Run, 'runId'>,
  requests: readonly Request[],
  read: (members: Members) => Promise<readonly PlannedChange[]>,
): Promise<ReadonlyMap<number, Withdrawal>> {
  const open = requests.filter(({ state }) => state === 'sending' || state === 'uncertain')
  const range = rangeOf(open.map(({ members }) => members))
  if (range === undefined || !isCommunication(sync)) return new Map()
  const { warehouse, wired } = night
  const { policies, identity } = wired.project
  const { relations } = await policiesFor(night, sync)
  const withdrawn = new Map<number, Withdrawal>()
  const lists = relations.suppressed.filter(({ list }) => concerns(list.appliesTo, sync))
  for (const { list, values } of lists) {
    if (values === undefined) continue
    for (const { members } of open)
      for (const seq of await listed(night, values, list.identifier ?? '', await read(members)))
        withdrawn.set(seq, withdrawal(`suppression.${list.reason}`))
  }
  const outbox = raw(warehouse.dialect.relation([...warehouse.state, outboxName(run.runId)]))
  const params = { sync, policies, relations, personKind: personKindOf(identity), outbox, range }
  const select = selectWithdrawn(warehouse.dialect, params)
  const rows = select === undefined ? [] : await query(warehouse, select)
  for (const row of rows) withdrawn.set(Number(row.seq), withdrawal(String(row.reason)))
  return withdrawn
}

/** Those who are on a list of values, as `seq`; the outbox keeps no more than hashes of what identifies them. */
async function listed(
  { warehouse }: Night,
  values: Fragment,
  identifier: string,
  changes: readonly PlannedChange[],
): Promise<readonly number[]> {
  const sends = changes.filter(({ op }) => op !== 'leave')
  const hashes = [...new Set(sends.flatMap(({ subjects = [] }) => subjects))].filter(hash => hash !== '')
  const found = new Set<string>()
  for (let start = 0; start < hashes.length; start += hashesPerStatement) {
    const some = hashes.slice(start, start + hashesPerStatement)
    const rows = await query(warehouse, selectListed(warehouse.dialect, values, identifier, some))
    for (const row of rows) found.add(String(row.hash))
  }
  return sends.filter(({ subjects = [] }) => subjects.some(hash => found.has(hash))).map(({ seq }) => seq)
}

/** The look of a living run, and what is known already. */
export function lookingBack(look: Recheck, known: ReadonlyMap<number, Withdrawal>): Recheck {
  if (known.size === 0) return look
  return async (changes, now) => {
    const answer = await look(changes, now)
    const own = changes.flatMap(({ seq }) => {
      const withdrawal = known.get(seq)
      return withdrawal === undefined ? [] : [[seq, withdrawal] as const]
    })
    return { ...answer, withdrawn: new Map([...own, ...answer.withdrawn]) }
  }
}

function withdrawal(code: string): Withdrawal {
  return { code, message: 'the person may not be sent to any more, since the run that planned it died' }
}

function rangeOf(all: readonly Members[]): { readonly from: number; readonly to: number } | undefined {
  if (all.length === 0) return undefined
  const ends = all.map(members =>
    'seqs' in members ? { from: Math.min(...members.seqs), to: Math.max(...members.seqs) } : members,
  )
  return { from: Math.min(...ends.map(({ from }) => from)), to: Math.max(...ends.map(({ to }) => to)) }
}
