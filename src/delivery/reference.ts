/** A destination's page in `docs/destinations`, as Markdown, from its definition alone. Pure: the same definition gives the same page. */
import { stringify } from 'yaml'
import { z } from 'zod'
import { formatDuration } from '../project/duration.ts'
import { keyRows, keyTable, markdownTable } from '../project/key-table.ts'
import type {
  Action,
  ActionLimits,
  DestinationDefinition,
  Example,
  HttpRequest,
  Idempotency,
  JobVerdict,
  Lookup,
  RateLimit,
  RecordOutcome,
  Verdict,
} from './destination.ts'

export interface ReferenceOptions {
  /** Settings as in `activate.yml`, with which limits and actions are shown; actions of `http` exist only by settings. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Whether actions come from the settings, so that those shown are only an example. */
  readonly actionsAreExamples?: boolean
}

/** Throws the schema's own error when the settings do not fit it. */
export function referencePage(definition: DestinationDefinition, options: ReferenceOptions): string {
  const settings = definition.settings.parse(options.settings)
  const actions = Object.entries(definition.actions(settings))
  const limits = definition.limits(settings)
  const parts = [
    `# ${definition.name}`,
    `${definition.summary}.`,
    ...(definition.docs === undefined ? [] : [`Documentation: ${linked(definition.docs)}`]),
    `\`\`\`yaml\n${stringify({ destinations: { [definition.name]: { type: definition.name, ...options.settings } } })}\`\`\``,
    '## Settings',
    'All of these stand beside `type`.',
    keyTable(keyRows(jsonSchema(definition.settings))),
    '## Limits',
    limits.length === 0 ? 'None of its own.' : limits.map(limit => `- ${rateText(limit)}`).join('\n'),
    `At most ${count(definition.concurrency(settings), 'request')} under way at the same time.`,
    ...(definition.callback === undefined ? [] : ['## Callbacks', callbacksText]),
    '## Actions',
    ...(options.actionsAreExamples ? ['Actions come from the settings; these are those of the example above.'] : []),
    ...actions.flatMap(([name, action]) => actionParts(name, action)),
  ]
  return `${parts.join('\n\n')}\n`
}

const callbacksText =
  'What became of a record after it was taken, and who opted out, comes by callback: `activate callbacks` receives it at `/callbacks/<name of the destination>`, believes what is signed, and writes it to the ledger ([jobs and callbacks](../guides/callbacks-and-jobs.md)).'

function leaverText(fields: readonly string[] | undefined): string {
  if (fields === undefined) return 'all fields as last sent'
  return ['the key', ...fields.map(name => code(name)), 'and the names of the fields']
    .join(', ')
    .replace(', and', ' and')
}

function actionParts(name: string, action: Action<never>): readonly string[] {
  const facts: readonly (readonly [string, string])[] = [
    [
      'modes',
      action.modes.length === 0
        ? 'none of its own: it takes the leavers of other actions'
        : action.modes.map(code).join(', '),
    ],
    [
      'leavers',
      action.leavers !== undefined
        ? `go to ${code(action.leavers)}`
        : action.takesLeavers
          ? 'taken by this action'
          : 'not taken',
    ],
    ...(action.takesLeavers ? [['of leavers it uses', leaverText(action.leaverFields)] as const] : []),
    ...(action.irrevocable === undefined ? [] : [['cannot be taken back', action.irrevocable] as const]),
    ['records in a request', batchText(action.batch)],
    ...(action.limits === undefined ? [] : [['limits of its own', limitsText(action.limits)] as const]),
    ['idempotency', idempotencyText(action.idempotency)],
  ]
  return [
    `### ${code(name)}`,
    `${action.summary}.`,
    markdownTable(['', ''], facts),
    ...(action.fields === undefined ? ['Takes any field.'] : fieldParts(action.fields)),
    ...(action.examples ?? []).map(exampleText),
    ...(action.lookup?.examples ?? []).map(questionText),
    ...jobParts(action.job),
  ]
}

function fieldParts(fields: z.ZodObject): readonly string[] {
  const schema = jsonSchema(fields)
  const listed = keyTable(keyRows(schema))
  return schema.description === undefined ? [listed] : [listed, `${schema.description}.`]
}

function batchText(batch: Action<never>['batch']): string {
  if (batch === undefined) return 'one'
  const bytes = batch.maxBytes === undefined ? '' : `, and ${number(batch.maxBytes)} bytes`
  return `up to ${number(batch.maxRecords)}${bytes}`
}

function rateText({ requests, perMilliseconds }: RateLimit): string {
  return `${count(requests, 'request')} per ${formatDuration(perMilliseconds)}`
}

function limitsText({ name, limits, toldByHeaders }: ActionLimits): string {
  const rates = limits.map(rateText)
  const told = toldByHeaders ? ["what the vendor's headers say"] : []
  return `under those of the account, those for ${name}: ${[...rates, ...told].join(', ')}`
}

function idempotencyText(idempotency: Idempotency): string {
  switch (idempotency.kind) {
    case 'natural':
      return '`natural`: repeating it changes nothing, so what may have been lost is sent again'
    case 'keyed':
      return `\`keyed\`: the destination recognises a repetition for ${formatDuration(idempotency.window)}; within it, what may have been lost is sent again`
    case 'lookup':
      return `\`lookup\`: ${formatDuration(idempotency.settle)} after what may have been lost, the destination is asked whether it has it; only what it surely has not is sent again`
    case 'none':
      return '`none`: every repetition is a new effect, so what may have been lost is parked until a person decides'
  }
}

function exampleText({ name, request, reply, verdict }: Example): string {
  return exchangeText(`Example: ${name}`, request, reply, verdictText(verdict))
}

function questionText({ name, request, reply, verdict }: NonNullable<Lookup<never>['examples']>[number]): string {
  const read =
    verdict.kind === 'each'
      ? verdict.findings.map(({ changeId, finding }) => `${code(changeId)} **${finding}**`).join(', ')
      : `**${verdict.kind}** (${code(verdict.code)}: ${verdict.message})`
  return exchangeText(`Asked about: ${name}`, request, reply, read)
}

function jobParts(job: Action<never>['job']): readonly string[] {
  if (job === undefined) return []
  const asked = `What is accepted is a job. It is asked about after ${formatDuration(job.every)} and then at growing intervals, for ${formatDuration(job.deadline)} at most; what has not ended by then counts as lost.`
  const examples = (job.examples ?? []).map(({ name, request, reply, verdict }) =>
    exchangeText(`Job: ${name}`, request, reply, verdictText(verdict)),
  )
  const files = (job.file?.examples ?? []).map(({ name, answer, reply, verdict }) =>
    [
      `File: ${name}`,
      `\`\`\`json\n${JSON.stringify(answer, null, 2)}\n\`\`\``,
      `\`\`\`http\nHTTP ${reply.status}\n\n${bodyText(reply.body)}\n\`\`\``,
      `Read as: ${verdict === undefined ? 'it does not say beyond doubt whom it means, so halves are tried' : verdictText(verdict)}`,
    ].join('\n\n'),
  )
  return [asked, ...examples, ...files]
}

function bodyText(body: unknown): string {
  return typeof body === 'string' ? body.trimEnd() : JSON.stringify(body, null, 2)
}

function exchangeText(title: string, request: HttpRequest, reply: Example['reply'], read: string): string {
  const form = request.form === undefined ? '' : `\n\n${formText(request.form)}`
  const body = request.json === undefined ? form : `\n\n${JSON.stringify(request.json, null, 2)}`
  const headers = Object.entries(request.headers ?? {}).map(([header, value]) => `\n${header}: ${value}`)
  const said = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body, null, 2)
  return [
    title,
    `\`\`\`http\n${request.method} ${request.path}${headers.join('')}${body}\n\`\`\``,
    `\`\`\`http\nHTTP ${reply.status}\n\n${said}\n\`\`\``,
    `Read as: ${read}`,
  ].join('\n\n')
}

/** One pair a line, as it reads; on the wire they are joined and escaped. */
function formText(form: NonNullable<HttpRequest['form']>): string {
  return Object.entries(form)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
}

function verdictText(verdict: Verdict | JobVerdict): string {
  if (verdict.kind === 'acked') return 'every record **acked**'
  if (verdict.kind === 'pending') return '**pending**: it is asked about again'
  if (verdict.kind === 'accepted') return `**accepted** as the job ${code(verdict.reference)}, which is asked about`
  if (verdict.kind === 'refused' && 'faults' in verdict && verdict.faults !== undefined) {
    const faults = verdict.faults.map(
      fault => `${code(fault.changeId)} **rejected** (${code(fault.code)}: ${fault.message})`,
    )
    return `**refused**: ${faults.join(', ')}; the others go on without`
  }
  if (verdict.kind !== 'each') return `**${verdict.kind}** (${code(verdict.code)}: ${verdict.message})`
  const each = verdict.outcomes.map(one =>
    one.outcome === 'acked'
      ? `${code(one.changeId)} **acked**${one.reference === undefined ? '' : ` as ${code(one.reference)}`}`
      : `${code(one.changeId)} **${one.outcome}** (${code(one.code)}: ${one.message})${optOutText(one)}`,
  )
  return each.join(', ')
}

function optOutText(outcome: RecordOutcome): string {
  return 'optOut' in outcome && outcome.optOut !== undefined ? ', and the address is **suppressed**' : ''
}

function jsonSchema(schema: z.ZodType): z.core.JSONSchema.JSONSchema {
  return z.toJSONSchema(schema, { target: 'draft-7', io: 'input', unrepresentable: 'any', reused: 'inline' })
}

/** Pages of the project itself are linked from where this page stands. */
function linked(docs: string): string {
  return docs.startsWith('docs/') ? `[${docs}](${docs.replace(/^docs/, '..')})` : docs
}

function code(text: string): string {
  return `\`${text}\``
}

function count(amount: number, noun: string): string {
  return `${number(amount)} ${noun}${amount === 1 ? '' : 's'}`
}

/** Thousands by commas, whatever the machine's locale is. */
function number(amount: number): string {
  return String(amount).replace(/\B(?=(\d{3})+$)/g, ',')
}
