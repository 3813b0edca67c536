import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { isBigquery, isPostgres } from '../engine.ts'
import { type IdentityNights, identityOf, type Link, openIdentityNights, type Resolved } from './identity-nights.ts'
import { expectedPeople } from './union-find.ts'

let nights: IdentityNights
beforeAll(async () => {
  nights = await openIdentityNights()
})
afterEach(() => nights.reset())
afterAll(() => nights.close())

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const email = (key: string, address: string | null): Link => ['customer_id', key, 'email', address]
const phone = (key: string, number: string): Link => ['customer_id', key, 'phone', number]
const device = (key: string, id: string): Link => ['customer_id', key, 'device', id]

describe('people', () => {
  test('are the keys that share an identifier, under the smallest of them', async () => {
    const { members, summary } = await nights.look([
      email('b', 'x@e.com'),
      email('a', 'x@e.com'),
      email('c', 'y@e.com'),
    ])
    expect(members).toEqual({ a: 'a', b: 'a' })
    expect(summary).toMatchObject({ records: 3, people: 2, clusters: 1, identifiers: 2, matchRate: 1 })
  })

  test('are linked by identifiers as they are tidied', async () => {
    const { members } = await nights.look([
      email('a', ' X@E.com'),
      email('b', 'x@e.COM\u00a0'),
      phone('c', '020 7946 0958'),
      phone('d', '+44 (0)20 7946 0958'),
      device('e', 'D1'),
      device('f', 'd1'),
    ])
    expect(members).toEqual({ a: 'a', b: 'a', c: 'c', d: 'c' })
  })

  test('are linked over any number of steps, on either side of a link', async () => {
    const links: Link[] = [
      email('a', 'x@e.com'),
      ['device', 'd1', 'email', 'x@e.com'],
      ['phone', '+442079460958', 'device', 'd1'],
      ['phone', '020 7946 0958', 'customer_id', 'b'],
      ['customer_id', 'b', 'customer_id', 'c'],
    ]
    expect((await nights.look(links)).members).toEqual({ a: 'a', b: 'a', c: 'a' })
  })

  test('are linked by a hash of an address that another system knows plainly', async () => {
    const { members, identifiers, summary } = await nights.look([
      email('a', 'Ada@E.com'),
      ['customer_id', 'b', 'email_sha256', sha256('ada@e.com').toUpperCase()],
      ['customer_id', 'c', 'email_sha256', sha256('eve@e.com')],
    ])
    expect(members).toEqual({ a: 'a', b: 'a' })
    expect(identifiers).toEqual(
      [
        'email ada@e.com → a',
        `email_sha256 ${sha256('ada@e.com')} → a`,
        `email_sha256 ${sha256('eve@e.com')} → c`,
      ].sort(),
    )
    expect(summary.identifiers).toBe(2)
  })

  test('are nobody without links', async () => {
    const { members, identifiers, summary } = await nights.look([])
    expect({ members, identifiers }).toEqual({ members: {}, identifiers: [] })
    expect(summary).toMatchObject({ records: 0, people: 0, matchRate: undefined })
  })

  test('are nobody without link models', async () => {
    const { members, summary } = await nights.lookAt([])
    expect([members, summary.links]).toEqual([{}, { rows: 0, blank: 0, unsure: 0, later: 0 }])
  })

  test('are linked across models, each with the columns that it has', async () => {
    const { members, summary } = await nights.lookAt([
      `select 'customer_id' as left_type, 'a' as left_value, 'device' as right_type, 'd' as right_value, 0.9 as confidence, 'app' as source`,
      `select 'd' as right_value, 'device' as right_type, 7 as left_value, 'customer_id' as left_type, date '2026-02-01' as seen_at`,
    ])
    expect([members, summary.links.rows]).toEqual([{ 7: '7', a: '7' }, 2])
  })

  // More than the evaluator bears.
  test.skipIf(isBigquery())('are found in a chain of thousands of links within few rounds', async () => {
    // The statements of a round are the same on each engine; DuckDB is quick with many rows.
    const length = isPostgres() ? 2_000 : 10_000
    const links: Link[] = Array.from({ length }, (_, index) => ['device', `d${index}`, 'device', `d${index + 1}`])
    const { members, summary } = await nights.look([device('a', 'd0'), ...links, device('b', `d${length}`)])
    expect(members).toEqual({ a: 'a', b: 'a' })
    expect(summary.rounds).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(length)))
  })

  // The port does not list BigQuery's scratch tables.
  test.skipIf(isBigquery())('leave no scratch tables behind but those that were asked for', async () => {
    await nights.look([email('a', 'x@e.com')])
    const names = await nights.tables()
    expect(names.map(name => name.replace(/__.*$/, ''))).toEqual([
      'identity_events',
      'identity_identifiers',
      'identity_members',
      'identity_persons',
    ])
    await nights.drop()
    expect(await nights.tables()).toEqual([])
  })
})

describe('links that say nothing', () => {
  test('are left out and counted', async () => {
    const { members, summary } = await nights.look([
      email('a', null),
      email('b', ' '),
      email('', 'x@e.com'),
      phone('c', 'unknown'),
      phone('d', 'n/a'),
      email('e', 'x@e.com'),
    ])
    expect(members).toEqual({})
    expect(summary).toMatchObject({ records: 1, links: { rows: 6, blank: 5 } })
  })

  test('are left out below the least confidence; without one they count', async () => {
    const confidence = `case left_value when 'a' then 0.5 when 'b' then 0.49 end`
    const links = [email('a', 'x@e.com'), email('b', 'x@e.com'), email('c', 'x@e.com')]
    const { members, summary } = await nights.look(links, { identity: { minConfidence: 0.5 }, columns: { confidence } })
    expect(members).toEqual({ a: 'a', c: 'a' })
    expect(summary.links.unsure).toBe(1)
  })

  test('are left out when they were seen after the clock of the run, so that a past night can be repeated', async () => {
    const seen_at = `case left_value when 'a' then timestamp '2026-03-01 02:00:00' when 'b' then timestamp '2026-03-01 02:00:01' end`
    const links = [email('a', 'x@e.com'), email('b', 'x@e.com'), email('c', 'x@e.com')]
    const { members, summary } = await nights.look(links, { columns: { seen_at } })
    expect(members).toEqual({ a: 'a', c: 'a' })
    expect(summary.links.later).toBe(1)
    expect((await nights.look(links, { columns: { seen_at }, asOf: '2026-03-01T02:00:01Z' })).members).toEqual({
      a: 'a',
      b: 'a',
      c: 'a',
    })
  })
})

describe('an identifier of too many people', () => {
  const till = [1, 2, 3, 4].map(n => phone(`c${n}`, '020 7946 0958'))

  test('links nobody, and leads to nobody', async () => {
    const { members, identifiers, summary, warnings } = await nights.look(
      [...till, email('c1', 'x@e.com'), email('c9', 'x@e.com'), ['device', 'd', 'phone', '+442079460958']],
      { identity: { maxCluster: 3 } },
    )
    expect(members).toEqual({ c1: 'c1', c9: 'c1' })
    expect(identifiers).toEqual(['email x@e.com → c1', `email_sha256 ${sha256('x@e.com')} → c1`])
    expect(summary).toMatchObject({ records: 5, people: 4, shared: 1, identifiers: 3, matchRate: 1 / 3 })
    expect(warnings).toEqual(['1 identifier that is shared by more than 3 keys of customer links nobody: phone of 4'])
  })

  test('links them when there are as many as allowed', async () => {
    const { members, warnings } = await nights.look(till, { identity: { maxCluster: 4 } })
    expect(Object.values(members)).toEqual(['c1', 'c1', 'c1', 'c1'])
    expect(warnings).toEqual([])
  })

  test('is counted together with its hash', async () => {
    const links: Link[] = [
      email('a', 'info@e.com'),
      email('b', 'info@e.com'),
      ['email_sha256', sha256('info@e.com'), 'customer_id', 'c'],
      ['email_sha256', sha256('info@e.com'), 'customer_id', 'd'],
    ]
    const { members, warnings } = await nights.look(links, { identity: { maxCluster: 3 } })
    expect(members).toEqual({})
    expect(warnings).toEqual(['1 identifier that is shared by more than 3 keys of customer links nobody: email of 4'])
  })
})

describe('a cluster of too many keys', () => {
  const links = ['a', 'b', 'c', 'd'].flatMap((key, index, keys) => [
    email(key, `${key}@e.com`),
    ...(index === 0 ? [] : [email(keys[index - 1] ?? '', `${key}@e.com`)]),
  ])

  test('is not merged; its identifiers lead to everyone who is linked to them', async () => {
    const resolved = await nights.look([...links, email('y', 'z@e.com'), email('z', 'z@e.com')], {
      identity: { maxCluster: 3, identifiers: identityOf().identifiers.filter(({ name }) => name === 'email') },
    })
    expect(resolved.members).toEqual({ y: 'y', z: 'y' })
    expect(resolved.identifiers).toEqual([
      'email a@e.com → a',
      'email b@e.com → a',
      'email b@e.com → b',
      'email c@e.com → b',
      'email c@e.com → c',
      'email d@e.com → c',
      'email d@e.com → d',
      'email z@e.com → y',
    ])
    expect(resolved.summary).toMatchObject({ records: 6, people: 5, clusters: 1, oversized: 1, oversizedKeys: 4 })
    expect(resolved.warnings).toEqual([
      '1 cluster of more than 3 keys is not merged: 4 keys stay apart, each as a customer of its own',
    ])
  })

  test('is taken apart again when it has grown too large, and says so as a split', async () => {
    const options = { identity: { maxCluster: 3 } }
    expect((await nights.night(links.slice(0, 5), options)).members).toEqual({ a: 'a', b: 'a', c: 'a' })
    const grown = await nights.night(links, { ...options, asOf: '2026-03-02T02:00:00Z' })
    expect([grown.members, grown.summary.splits]).toEqual([{}, 2])
    expect(await nights.history()).toEqual(['2026-03-01: created a', '2026-03-02: split a b', '2026-03-02: split a c'])
  })
})

describe('a link model that cannot be read', () => {
  test.each<[string, string, object]>([
    [
      'without a column',
      `select 'email' as left_type, 'x' as left_valu, 'email' as right_type, 'y' as right_value`,
      {
        code: 'A4040',
        message: 'the link model "seen_together" returns no column "left_value"',
        help: 'did you mean "left_valu"?',
      },
    ],
    [
      'with a confidence in words',
      `select 'email' as left_type, 'x' as left_value, 'email' as right_type, 'y' as right_value, 'sure' as confidence`,
      {
        code: 'A4040',
        message: expect.stringMatching(
          /^the link model "seen_together" returns "confidence" as (VARCHAR|text|STRING)$/,
        ),
      },
    ],
    [
      'with a time in words',
      `select 'email' as left_type, 'x' as left_value, 'email' as right_type, 'y' as right_value, 'today' as seen_at`,
      { code: 'A4040', help: 'cast it to a timestamp' },
    ],
    [
      'with unknown types',
      `select * from (values ('emial', 'x', 'phone', 'y'), ('phone', 'x', 'emial', 'y'), (null, 'x', 'phone', 'y')) l(left_type, left_value, right_type, right_value)`,
      {
        code: 'A4041',
        message:
          'the link model "seen_together" links types that identity does not know: "emial" (2 rows), none (1 row)',
        help: 'did you mean "email"?',
      },
    ],
    [
      'with impossible confidences',
      `select 'email' as left_type, 'x' as left_value, 'email' as right_type, 'y' as right_value, confidence
      from (values (80), (80), (-0.5), ('nan'::double precision), (null), (1), (0)) given(confidence)`,
      {
        code: 'A4042',
        message: expect.stringMatching(
          /has a confidence outside 0 to 1: 80 \(2 rows\), (-0.5 \(1 row\), NaN|NaN \(1 row\), -0.5) \(1 row\)$/,
        ),
      },
    ],
  ])('%s stops the night with its place', async (_name, select, problem) => {
    const place = expect.objectContaining({ file: 'activate.yml', line: 9 })
    await expect(nights.lookAt(select)).rejects.toMatchObject({ exit: 'failed', problems: [{ place, ...problem }] })
    expect(await nights.tables()).toEqual([])
  })

  test('keys that are numbers are read as the text that state tables keep', async () => {
    const { members } = await nights.lookAt(
      `select 'customer_id' as left_type, number as left_value, 'device' as right_type, 1.50 as right_value
      from (values (10), (9)) given(number)`,
    )
    expect(members).toEqual({ 9: '10', 10: '10' })
  })
})

describe('over nights', () => {
  const ab = [email('a', 'x@e.com'), email('b', 'x@e.com')]
  const cd = [email('c', 'y@e.com'), email('d', 'y@e.com')]
  const bridge: Link = ['customer_id', 'b', 'customer_id', 'd']

  test('the elder of two people stays when they merge, and a split takes it back exactly', async () => {
    await nights.night(cd, { asOf: '2026-03-01T02:00:00Z' })
    const apart = await nights.night([...ab, ...cd], { asOf: '2026-03-02T02:00:00Z' })
    const merged = await nights.night([...ab, ...cd, bridge], { asOf: '2026-03-03T02:00:00Z' })
    const split = await nights.night([...ab, ...cd], { asOf: '2026-03-04T02:00:00Z' })
    expect(merged.members).toEqual({ a: 'c', b: 'c', c: 'c', d: 'c' })
    expect([split.members, split.identifiers]).toEqual([apart.members, apart.identifiers])
    expect([merged.summary.merges, split.summary.splits]).toEqual([1, 1])
    expect(await nights.history()).toEqual([
      '2026-03-01: created c',
      '2026-03-02: created a',
      '2026-03-03: merged c a',
      '2026-03-04: split c a',
    ])
  })

  test('of two equally old people the smaller stays', async () => {
    await nights.night([...cd, ...ab])
    expect((await nights.look([...ab, ...cd, bridge])).members).toEqual({ a: 'a', b: 'a', c: 'a', d: 'a' })
  })

  test('a person of one key who was known before is elder than a new one', async () => {
    await nights.night([email('z', 'x@e.com')], { asOf: '2026-03-01T02:00:00Z' })
    const merged = await nights.night([email('z', 'x@e.com'), email('a', 'x@e.com')], { asOf: '2026-03-02T02:00:00Z' })
    expect(merged.members).toEqual({ a: 'z', z: 'z' })
    expect(await nights.history()).toEqual(['2026-03-02: merged z a'])
  })

  test('at a split the part with the key of the person keeps it, and the others become new people', async () => {
    await nights.night([...ab, ...cd, bridge])
    const split = await nights.night([email('a', 'x@e.com'), email('b', 'z@e.com'), ...cd, bridge], {
      asOf: '2026-03-02T02:00:00Z',
    })
    expect(split.members).toEqual({ b: 'b', c: 'b', d: 'b' })
    expect(await nights.history()).toEqual(['2026-03-01: created a', '2026-03-02: split a b'])
  })

  test('a person whose key is no longer linked is not taken over by the rest', async () => {
    await nights.night([...ab, email('c', 'x@e.com')])
    const rest = await nights.night([email('b', 'x@e.com'), email('c', 'x@e.com')], { asOf: '2026-03-02T02:00:00Z' })
    expect(rest.members).toEqual({ b: 'b', c: 'b' })
    expect(await nights.history()).toEqual(['2026-03-01: created a', '2026-03-02: split a b'])
    expect((await nights.identities()).filter(row => row.startsWith('customer_id'))).toEqual([
      'customer_id b → b, 2026-03-02',
      'customer_id c → b, 2026-03-02',
    ])
  })

  test('what did not change keeps its date', async () => {
    await nights.night(ab)
    await nights.night([...ab, email('e', 'v@e.com')], { asOf: '2026-03-02T02:00:00Z' })
    expect((await nights.identities()).filter(row => !row.startsWith('email_sha256'))).toEqual([
      'customer_id a → a, 2026-03-01',
      'customer_id b → a, 2026-03-01',
      'customer_id e → e, 2026-03-02',
      'email v@e.com → e, 2026-03-02',
      'email x@e.com → a, 2026-03-01',
    ])
  })

  test('remembering twice, and repeating a night, change nothing', async () => {
    const { people } = await nights.look([...ab, ...cd, bridge])
    await nights.remember(people)
    const once = [await nights.identities(), await nights.history()]
    await nights.remember(people)
    const again = await nights.night([bridge, ...cd, ...ab])
    expect([await nights.identities(), await nights.history()]).toEqual(once)
    expect(again.summary).toMatchObject({ created: 0, merges: 0, splits: 0 })
  })

  test('looking writes nothing', async () => {
    await nights.look(ab)
    expect([await nights.identities(), await nights.history()]).toEqual([[], []])
  })
})

/** Servers take longer. */
const runs = (count: number) => (isBigquery() ? 1 : isPostgres() ? Math.ceil(count / 10) : count)

describe('whatever the links', () => {
  const few = (...values: readonly string[]) => fc.constantFrom(...values)
  const addresses = ['x@e.com', 'y@e.com', 'z@e.com']
  const end = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(
        fc.constant('customer_id'),
        fc.oneof(
          fc.nat(14).map(n => `c${n}`),
          few('', 'ü', '日本'),
        ),
      ),
    },
    fc.tuple(fc.constant('email'), few(...addresses, ' X@E.COM', 'y@E.com\t', '  ')),
    fc.tuple(
      fc.constant('email_sha256'),
      few(...addresses.map(sha256), sha256('v@e.com').toUpperCase(), sha256('X@E.com')),
    ),
    fc.tuple(
      fc.constant('phone'),
      few('020 7946 0958', '+442079460958', '0044 (0)20 7946 0958', '07700 900123', 'none'),
    ),
    fc.tuple(
      fc.constant('device'),
      fc.oneof(
        fc.constant(null),
        fc.nat(9).map(n => `d${n}`),
      ),
    ),
  )
  const links = fc.array(
    fc.tuple(end, end).map(([[leftType, left], [rightType, right]]): Link => [leftType, left, rightType, right]),
    { maxLength: 24 },
  )
  const maxCluster = fc.integer({ min: 2, max: 6 })

  /** Names by the keys of a person instead of by the chosen one. */
  const byKeys = ({ members, identifiers }: Pick<Resolved, 'members' | 'identifiers'>) => {
    const keysOf = new Map<string, string[]>()
    for (const [key, entity] of Object.entries(members)) keysOf.set(entity, [...(keysOf.get(entity) ?? []), key].sort())
    return {
      clusters: [...keysOf.values()].sort(),
      identifiers: identifiers
        .map(row => {
          const [name = '', entity = ''] = row.split(' → ')
          return `${name} → ${keysOf.get(entity)?.join() ?? entity}`
        })
        .sort(),
    }
  }

  test('people are those of a plain union-find', async () => {
    await fc.assert(
      fc.asyncProperty(links, maxCluster, async (given, limit) => {
        const resolved = await nights.look(given, { identity: { maxCluster: limit } })
        expect(byKeys(resolved)).toEqual(expectedPeople(given, identityOf({ maxCluster: limit })))
      }),
      { numRuns: runs(60) },
    )
  })

  test('the order of the rows means nothing, nor who stands left', async () => {
    const shuffled = links.chain(given =>
      fc.tuple(
        fc.constant(given),
        fc
          .shuffledSubarray(given, { minLength: given.length })
          .map(rows => rows.map((row): Link => (row[1] === 'c3' ? row : [row[2], row[3], row[0], row[1]]))),
      ),
    )
    await fc.assert(
      fc.asyncProperty(shuffled, async ([given, other]) => {
        const [one, two] = [await nights.look(given), await nights.look(other)]
        expect([two.members, two.identifiers]).toEqual([one.members, one.identifiers])
      }),
      { numRuns: runs(30) },
    )
  })

  test('each night an entity is one of its own keys, stays while its key does, and a repeated night says nothing new', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(links, { minLength: 2, maxLength: 4 }), async given => {
        await nights.reset()
        let before: Readonly<Record<string, string>> = {}
        for (const [index, night] of given.entries()) {
          const asOf = `2026-03-0${index + 1}T02:00:00Z`
          const { members, identifiers } = await nights.night(night, { asOf })
          const state = [await nights.identities(), await nights.history()]
          expect(byKeys({ members, identifiers })).toEqual(expectedPeople(night, identityOf()))
          for (const entity of Object.values(members)) expect(members[entity]).toBe(entity)
          for (const [key, entity] of Object.entries(before)) {
            const others = Object.values(before).filter(other => other !== entity && members[other] === members[entity])
            if (members[key] !== undefined && members[key] === members[entity] && others.length === 0)
              expect(members[key]).toBe(entity)
          }
          const again = await nights.night(night, { asOf })
          expect([again.members, again.identifiers]).toEqual([members, identifiers])
          expect([await nights.identities(), await nights.history()]).toEqual(state)
          before = members
        }
      }),
      { numRuns: runs(10) },
    )
  })
})
