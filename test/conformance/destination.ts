/**
 * What every HTTP destination must keep, shown by its own examples: requests are built exactly so, replies mean exactly that,
 * each record ends with one outcome, and silence is never a yes.
 */
import { describe, expect, test } from 'vitest'
import type {
  Action,
  DestinationDefinition,
  Example,
  HttpReply,
  Job,
  Lookup,
  RequestContext,
} from '../../src/delivery/destination.ts'
import { interpretStatus, settleVerdict } from '../../src/delivery/interpret.ts'

export interface ConformanceSettings {
  /** What the definition's schema made of them, with secrets in place of their references. */
  readonly resolved: Readonly<Record<string, unknown>>
  /** The secrets' values, which must never show in a request's path, body or frozen headers. */
  readonly secrets: readonly string[]
  /** Records are named by their place in the request, and not by an id. */
  readonly answersByPlace?: true
}

export function describeDestination(
  definition: DestinationDefinition,
  { resolved, secrets, answersByPlace }: ConformanceSettings,
): void {
  const settings = resolved
  const actions = Object.entries(definition.actions(settings))
  const context: RequestContext<Readonly<Record<string, unknown>>> = { settings, idempotencyKey: 'request-key' }

  describe(`destination ${definition.name}`, () => {
    test('describes every setting', () => {
      const undescribed = Object.entries(definition.settings.shape).filter(
        ([, schema]) => !('description' in schema && schema.description),
      )
      expect(undescribed.map(([name]) => name)).toEqual([])
    })

    test('names only leaver actions that exist and take leavers', () => {
      const named = actions.flatMap(([, action]) => (action.leavers === undefined ? [] : [action.leavers]))
      const takers = actions.flatMap(([name, action]) => (action.takesLeavers ? [name] : []))
      expect(named.filter(name => !takers.includes(name))).toEqual([])
    })

    test('has examples for every action', () => {
      const bare = actions.filter(([, action]) => (action.examples ?? []).length === 0)
      expect(bare.map(([name]) => name)).toEqual([])
    })

    test('says of every action that can be asked about how, and shows it', () => {
      const asked = actions.filter(([, { idempotency }]) => idempotency.kind === 'lookup')
      const mute = asked.filter(([, { lookup }]) => (lookup?.examples ?? []).length === 0)
      expect(mute.map(([name]) => name)).toEqual([])
    })

    for (const [name, { lookup }] of actions)
      for (const example of lookup?.examples ?? []) describeQuestion(name, lookup, example, settings)

    test('shows of every action that makes jobs how one is asked about', () => {
      const makers = actions.filter(([, { job }]) => job !== undefined)
      expect(makers.filter(([, { job }]) => (job?.examples ?? []).length === 0).map(([name]) => name)).toEqual([])
      const accepting = actions.filter(([, { examples = [] }]) =>
        examples.some(({ verdict }) => verdict.kind === 'accepted'),
      )
      expect(accepting).toEqual(makers)
    })

    for (const [name, { job }] of actions)
      for (const example of job?.examples ?? []) describeJob(name, job, example, settings)

    for (const [name, { job }] of actions)
      for (const example of job?.file?.examples ?? [])
        test(`${name} is told by a file: ${example.name}`, () => {
          const body = (given: unknown) => (typeof given === 'string' ? given : JSON.stringify(given))
          const reply = (status: number, text: string): HttpReply => ({ status, headers: {}, text, json: parsed(text) })
          const answer = reply(200, body(example.answer))
          expect(job?.file?.address(answer)).toMatch(/^https:/)
          const read = (text: string) => job?.file?.interpret(reply(200, text), example.changes, answer)
          expect(read(body(example.reply.body))).toEqual(example.verdict)
          for (const silent of ['', '<html>', '{}', '[]', 'null']) expect(read(silent)).toBeUndefined()
        })

    for (const [name, action] of actions) {
      for (const example of action.examples ?? [])
        describeExample(name, action, example, context, { secrets, answersByPlace })
    }
  })
}

function describeExample(
  name: string,
  action: Action<Readonly<Record<string, unknown>>>,
  example: Example,
  context: RequestContext<Readonly<Record<string, unknown>>>,
  { secrets, answersByPlace }: Pick<ConformanceSettings, 'secrets'> & { readonly answersByPlace: true | undefined },
): void {
  describe(`${name}: ${example.name}`, () => {
    test('builds exactly this request, and the same again', () => {
      expect(action.request?.(example.changes, context)).toEqual(example.request)
      expect(JSON.stringify(action.request?.(example.changes, context))).toBe(
        JSON.stringify(action.request?.(example.changes, context)),
      )
    })

    test('keeps within its batch', () => {
      expect(example.changes.length).toBeLessThanOrEqual(action.batch?.maxRecords ?? 1)
    })

    test('reads the reply as exactly this verdict', () => {
      expect(interpret(action, replyOf(example), example)).toEqual(example.verdict)
    })

    test('ends every record with one outcome', () => {
      const { outcomes, unknown } = settleVerdict(interpret(action, replyOf(example), example), example.changes)
      expect(outcomes.map(one => one.changeId)).toEqual(example.changes.map(change => change.changeId))
      expect(unknown).toEqual([])
    })

    test('shows no credential in path, headers or body', () => {
      const sent = JSON.stringify(action.request?.(example.changes, context))
      expect(secrets.filter(secret => sent.includes(secret))).toEqual([])
    })

    if (example.verdict.kind === 'each') {
      test('never acknowledges a record that the reply does not name', () => {
        const stranger = { key: 'somebody-else', changeId: 'of-somebody-else', op: 'enter', fields: {} } as const
        const more = [...example.changes, stranger]
        const { outcomes } = settleVerdict(interpret(action, replyOf(example), { ...example, changes: more }), more)
        expect(outcomes.at(-1)).toMatchObject({ changeId: stranger.changeId, outcome: 'uncertain' })
      })

      test(answersByPlace ? 'means the records in these places' : 'matches records by id, whatever the order', () => {
        const turned = { ...example, changes: [...example.changes].reverse() }
        const settled = (of: Example) => settleVerdict(interpret(action, replyOf(of), of), of.changes).outcomes
        const byId = (of: Example) => settled(of).toSorted((a, b) => a.changeId.localeCompare(b.changeId))
        const inPlace = (of: Example) => settled(of).map(({ outcome }) => outcome)
        const read = answersByPlace ? inPlace : byId
        expect(read(turned)).toEqual(read(example))
      })
    }

    test.each([
      ['an empty body', ''],
      ['a page', '<html>ok</html>'],
      ['an empty object', '{}'],
      ['an empty list', '[]'],
      ['null', 'null'],
    ])('does not acknowledge by %s alone, unless that is what a yes is', (_name, text) => {
      if (example.verdict.kind === 'acked' && text === example.reply.body) return
      const reply: HttpReply = { status: example.reply.status, headers: {}, text, json: parsed(text) }
      const { outcomes } = settleVerdict(interpret(action, reply, example), example.changes)
      expect(outcomes.filter(one => one.outcome === 'acked')).toEqual([])
    })
  })
}

type Question = Lookup<Readonly<Record<string, unknown>>>

function describeQuestion(
  name: string,
  lookup: Question | undefined,
  example: NonNullable<Question['examples']>[number],
  settings: Readonly<Record<string, unknown>>,
): void {
  describe(`${name} is asked about: ${example.name}`, () => {
    test('with exactly this request, which has no body', () => {
      expect(lookup?.request(example.changes, { settings })).toEqual(example.request)
      expect(example.request.method).toBe('GET')
    })

    test('and the reply is read so', () => {
      const { status, headers = {}, body } = example.reply
      const text = JSON.stringify(body)
      expect(lookup?.interpret({ status, headers, text, json: body }, example.changes)).toEqual(example.verdict)
    })

    test.each(['', '<html>ok</html>', '{}', '[]', 'null'])('and %j is no answer', text => {
      const answer = lookup?.interpret({ status: 200, headers: {}, text, json: parsed(text) }, example.changes)
      expect(answer?.kind === 'each' ? answer.findings.map(({ finding }) => finding) : []).not.toContain('absent')
    })
  })
}

type AskedJob = Job<Readonly<Record<string, unknown>>>

function describeJob(
  name: string,
  job: AskedJob | undefined,
  example: NonNullable<AskedJob['examples']>[number],
  settings: Readonly<Record<string, unknown>>,
): void {
  describe(`${name} is a job: ${example.name}`, () => {
    test('with exactly this request, which has no body', () => {
      expect(job?.request(example.reference, { settings })).toEqual(example.request)
      expect(example.request.method).toBe('GET')
    })

    test('and the reply is read so', () => {
      const { status, headers = {}, body } = example.reply
      const text = JSON.stringify(body)
      expect(job?.interpret({ status, headers, text, json: body }, example.changes)).toEqual(example.verdict)
    })

    test.each(['', '<html>ok</html>', '{}', '[]', 'null'])('and %j does not end it', text => {
      const answer = job?.interpret({ status: 200, headers: {}, text, json: parsed(text) }, example.changes)
      expect(answer?.kind).toBe('unanswered')
    })
  })
}

function interpret(action: Action<Readonly<Record<string, unknown>>>, reply: HttpReply, example: Example) {
  return (action.interpret ?? interpretStatus)(reply, example.changes)
}

function replyOf({ reply }: Example): HttpReply {
  const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body)
  return { status: reply.status, headers: reply.headers ?? {}, text, json: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
