import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createTokenKeeper, type TokenAnswer } from '../../src/delivery/token.ts'

/** An issuer that numbers its tokens. */
function issuer(lifetime?: number) {
  const asked: number[] = []
  const answers: TokenAnswer[] = []
  const keeper = createTokenKeeper(async now => {
    asked.push(now)
    await turn()
    const token = `t${asked.length}`
    return (
      answers.shift() ?? {
        kind: 'token',
        token: { token, ...(lifetime !== undefined && { expiresAt: now + lifetime }) },
      }
    )
  })
  const get = async (now: number) => {
    const answer = await keeper.get(now)
    return answer.kind === 'token' ? answer.token.token : answer.kind
  }
  return { asked, answers, keeper, get }
}

describe('the token', () => {
  test('is asked for once, however many need it', async () => {
    const { asked, get } = issuer()
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => get(0))))).toEqual(new Set(['t1']))
    expect(asked).toHaveLength(1)
  })

  test('is renewed once for all that were refused, and those that come late use the new one', async () => {
    const { asked, keeper, get } = issuer()
    await get(0)
    keeper.accepted('t1')
    expect([keeper.refused('t1'), keeper.refused('t1')]).toEqual([true, true])
    expect(await Promise.all([get(1), get(1), get(1)])).toEqual(['t2', 't2', 't2'])
    expect(keeper.refused('t1')).toBe(true)
    expect(await get(2)).toBe('t2')
    expect(asked).toHaveLength(2)
  })

  test('is given up when the new one is refused as well, but not when it was good for a while', async () => {
    const { keeper, get } = issuer()
    await get(0)
    keeper.refused('t1')
    await get(1)
    expect(keeper.refused('t2')).toBe(false)

    const other = issuer()
    await other.get(0)
    other.keeper.refused('t1')
    await other.get(1)
    other.keeper.accepted('t2')
    expect(other.keeper.refused('t2')).toBe(true)
  })

  test('is renewed before it expires, and serves to its end when that fails', async () => {
    const { asked, answers, get } = issuer(3_600_000)
    expect(await get(0)).toBe('t1')
    expect(await get(3_600_000 - 60_001)).toBe('t1')
    answers.push({ kind: 'unavailable', message: 'down' })
    expect(await get(3_600_000 - 60_000)).toBe('t1')
    expect(await get(3_600_000 - 30_000)).toBe('t3')
    expect(asked).toHaveLength(3)
  })

  test('is not there when the issuer says no, and is asked for again', async () => {
    const { answers, get } = issuer()
    answers.push({ kind: 'denied', message: 'no' }, { kind: 'unavailable', message: 'later' })
    expect([await get(0), await get(0), await get(0)]).toEqual(['denied', 'unavailable', 't3'])
  })
})
