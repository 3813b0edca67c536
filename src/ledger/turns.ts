/** Turns at the limits of an account, and what was used of them. */
import type { Bind, Database } from './database.ts'
import type { TurnAnswer, TurnRequest, Usage, Used } from './usage.ts'

interface TurnRow {
  account: string
  token: string | null
  until: number
  /** Null: as many as the windows allow. */
  reserved: number | null
  wanted_by: string | null
  wanted_at: number
  paused_until: number
}

interface UsageRow {
  /** The account, or the account and the limits of some of its actions. */
  account: string
  span: number
  at: number
  requests: number
}

/** Milliseconds for which a wish for the turn stands; whoever still waits wishes again. */
const wishStands = 3_000

/** Engines limit the number of bound values of one statement. */
const rowsPerStatement = 500

export function turnsOf(database: Database): Usage {
  const { knex } = database

  return {
    turn: request =>
      database.write(async (bind): Promise<TurnAnswer> => {
        const { account, token, now, until, windows } = request
        const row = await bind(knex<TurnRow>('usage_turns').where({ account }).first())
        const before = row?.token ?? undefined
        const own = before === token
        if (row !== undefined && before !== undefined && !own) {
          if (row.until > now && row.until <= until + (until - now)) {
            if (!request.pass) await wish(database, bind, row, request)
            return { kind: 'taken', until: row.until }
          }
          // One that ends long after any could was taken before the clock was set back.
          await assume(database, bind, { ...row, until: Math.min(row.until, now) }, windows)
        }
        await add(database, bind, account, [...(own ? request.used : []), ...(request.pass ? [] : marksOf(request))])
        if (!own) for (const name of namesOf(account, windows)) await bringBack(database, bind, name, now)
        for (const { span, of } of windows)
          await bind(
            knex<UsageRow>('usage')
              .where({ account: nameOf(account, of), span })
              .where('at', '<=', now - 2 * span)
              .delete(),
          )
        const wantedBy = row?.wanted_by ?? undefined
        const wanted = wantedBy !== undefined && wantedBy !== token && (row?.wanted_at ?? 0) + wishStands > now
        const turn: TurnRow = {
          ...{ account, token: request.pass ? null : token, until, reserved: request.reserved ?? null },
          ...{ wanted_by: wanted ? wantedBy : null, wanted_at: wanted ? (row?.wanted_at ?? 0) : 0 },
          paused_until: Math.max(row?.paused_until ?? 0, request.pausedUntil),
        }
        await bind(knex<TurnRow>('usage_turns').insert(turn).onConflict('account').merge())
        const used = own && !request.fresh ? {} : { used: await read(database, bind, request) }
        return { kind: 'yours', taken: !own, ...used, wanted, pausedUntil: turn.paused_until }
      }),
  }
}

/** Of a process that is gone nothing leaves any more: what it had reserved has left by now, and nobody needs to wait for its turns to lapse. */
export async function endTurns({ knex }: Database, bind: Bind, holderToken: string, now: number): Promise<void> {
  const prefix = `${holderToken}/`
  await bind(
    knex<TurnRow>('usage_turns')
      .whereRaw('substr(token, 1, ?) = ?', [prefix.length, prefix])
      .where('until', '>', now)
      .update({ until: now }),
  )
}

/** The first wish is remembered until it is fulfilled or forgotten, so that waiting costs no commit each time it asks. */
async function wish({ knex }: Database, bind: Bind, row: TurnRow, { token, now, account }: TurnRequest): Promise<void> {
  if (row.wanted_by !== null && now - row.wanted_at < wishStands / 2) return
  await bind(knex<TurnRow>('usage_turns').where({ account }).update({ wanted_by: token, wanted_at: now }))
}

/** What had been reserved has left by the end of the turn, under limits that the heir does not know as well. */
async function assume(
  database: Database,
  bind: Bind,
  { account, until: at, reserved }: TurnRow,
  windows: TurnRequest['windows'],
): Promise<void> {
  const { knex } = database
  const prefix = `${account}/`
  const marked: readonly Pick<UsageRow, 'account' | 'span'>[] = await bind(
    knex<UsageRow>('usage').distinct('account', 'span').whereRaw('substr(account, 1, ?) = ?', [prefix.length, prefix]),
  )
  const others = marked
    .map(({ account: name, span }) => ({ span, requests: noLimitIsMore, of: name.slice(prefix.length) }))
    .filter(({ span, of }) => !windows.some(window => window.of === of && window.span === span))
  const used = [...windows, ...others].map(window => ({
    ...window,
    at,
    requests: Math.min(window.requests, reserved ?? window.requests),
  }))
  await add(database, bind, account, used)
}

const noLimitIsMore = 1_000_000

/** Under which limits of its own a turn may send stands there before anything leaves. */
function marksOf({ windows, now }: TurnRequest): readonly Used[] {
  return windows.flatMap(({ span, of }) => (of === undefined ? [] : [{ span, of, at: now, requests: 0 }]))
}

/** What is used of an account is kept under its id, and of limits under it with their name behind that. */
function nameOf(account: string, of: string | undefined): string {
  return of === undefined ? account : `${account}/${of}`
}

function namesOf(account: string, windows: TurnRequest['windows']): readonly string[] {
  return [...new Set(windows.map(({ of }) => nameOf(account, of)))]
}

/** What the clock called later than now, before it was set back, has left by now. */
async function bringBack(database: Database, bind: Bind, name: string, now: number): Promise<void> {
  const { knex } = database
  const later: readonly UsageRow[] = await bind(knex<UsageRow>('usage').where({ account: name }).where('at', '>', now))
  // A step of a window may end a little later than now.
  const wrong = later.filter(({ span, at }) => at > now + span / 50)
  for (const { span, at } of wrong) await bind(knex<UsageRow>('usage').where({ account: name, span, at }).delete())
  for (const { span, requests } of wrong) await add(database, bind, name, [{ span, at: now, requests }])
}

async function add({ knex }: Database, bind: Bind, account: string, used: readonly Used[]): Promise<void> {
  const rows = summed(used.map(({ of, ...one }) => ({ account: nameOf(account, of), ...one })))
  for (let start = 0; start < rows.length; start += rowsPerStatement)
    await bind(
      knex<UsageRow>('usage')
        .insert(rows.slice(start, start + rowsPerStatement))
        .onConflict(['account', 'span', 'at'])
        .merge({ requests: knex.raw('usage.requests + excluded.requests') as unknown as number }),
    )
}

/** PostgreSQL refuses a statement that comes to the same row twice. */
function summed(rows: readonly UsageRow[]): readonly UsageRow[] {
  const byKey = new Map<string, UsageRow>()
  for (const row of rows) {
    const key = JSON.stringify([row.account, row.span, row.at])
    byKey.set(key, { ...row, requests: row.requests + (byKey.get(key)?.requests ?? 0) })
  }
  return [...byKey.values()]
}

async function read({ knex }: Database, bind: Bind, { account, windows }: TurnRequest): Promise<readonly Used[]> {
  const spans = windows.map(({ span }) => span)
  const names = namesOf(account, windows)
  const rows: readonly UsageRow[] = await bind(
    knex<UsageRow>('usage').whereIn('account', names).whereIn('span', spans).where('requests', '>', 0).orderBy('at'),
  )
  return rows.map(({ account: name, span, at, requests }) => ({
    ...{ span, at, requests },
    ...(name !== account && { of: name.slice(account.length + 1) }),
  }))
}
