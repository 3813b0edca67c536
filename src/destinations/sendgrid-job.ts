/**
 * What became of contacts that SendGrid took as a job. That some were not taken is all that the job itself says; whom stands in
 * a file at another address.
 */
import { parse } from 'csv-parse/sync'
import type { Change, HttpReply, Job, JobFile, JobVerdict, RecordOutcome } from '../delivery/destination.ts'
import { interpretLookupStatus } from '../delivery/interpret.ts'
import { valueAt } from './record-outcomes.ts'
import { fileExamples, jobExamples } from './sendgrid-examples.ts'

export const contactsPath = '/v3/marketing/contacts'

export const identifiers = ['email', 'phone_number_id', 'external_id', 'anonymous_id'] as const
export type Identifier = (typeof identifiers)[number]

export function contactJob<Settings>(deadline: number, every: number): Job<Settings> {
  return {
    deadline,
    every,
    limits: { name: 'import status', limits: [], toldByHeaders: true },
    request: reference => ({ method: 'GET', path: `${contactsPath}/imports/${encodeURIComponent(reference)}` }),
    interpret: interpretJob,
    file: errorsFile,
    examples: jobExamples,
  }
}

/** `errored` means that some were not taken, `failed` that none was. Repeating changes nothing, so halves may be sent again. */
function interpretJob(reply: HttpReply): JobVerdict {
  if (reply.status === 404) return { kind: 'gone', code: 'http_404', message: 'SendGrid does not know this job' }
  if (reply.status !== 200) return interpretLookupStatus(reply)
  const status = valueAt(reply.json, 'status')
  const errored = erroredIn(reply)
  if (status === 'pending') return { kind: 'pending' }
  if (status === 'completed' && errored === 0) return { kind: 'acked' }
  if (status === 'completed' || status === 'errored' || status === 'failed')
    return {
      kind: 'refused',
      code: `job_${status}`,
      message: `SendGrid did not take ${errored || 'all'} of the contacts`,
    }
  return interpretLookupStatus(reply)
}

function erroredIn(reply: HttpReply): number {
  return Number(valueAt(reply.json, 'results.errored_count') ?? 0)
}

/**
 * "Download the errors_url file" ("Import Contacts Status", twilio.com/docs/sendgrid, read 2026-11) is all that is documented of
 * it. So it is believed only where it is beyond doubt: every row of it names one contact, by an identifier that we sent, and
 * there are as many as the job says were not taken. Rows may be CSV with a header, a JSON list, or a JSON object on each line.
 */
const errorsFile: JobFile = {
  address: reply => {
    const address = valueAt(reply.json, 'results.errors_url')
    return typeof address === 'string' && address !== '' ? address : undefined
  },
  interpret: (file, batch, answer) => {
    const rows = rowsOf(file)
    const owners = ownersOf(batch)
    const refused = new Map<string, RecordOutcome>()
    for (const row of rows) {
      const meant = new Set(Object.values(row).flatMap(cell => owners.get(cell.trim().toLowerCase()) ?? []))
      const [changeId, another] = meant
      if (changeId === undefined || another !== undefined) return undefined
      refused.set(changeId, { changeId, outcome: 'rejected', code: 'contact_refused', message: reasonIn(row) })
    }
    const expected = erroredIn(answer) || batch.length
    if (refused.size === 0 || refused.size !== expected) return undefined
    const outcomes = batch.map(({ changeId }): RecordOutcome => refused.get(changeId) ?? { changeId, outcome: 'acked' })
    return { kind: 'each', outcomes }
  },
  examples: fileExamples,
}

type Row = Readonly<Record<string, string>>

/** None when it is nothing that can be read. */
function rowsOf({ status, text, json }: HttpReply): readonly Row[] {
  if (status !== 200) return []
  if (Array.isArray(json)) return json.map(item => flat(item))
  try {
    if (text.trimStart().startsWith('{'))
      return text
        .trim()
        .split('\n')
        .map(line => flat(JSON.parse(line)))
    return parse(text, { columns: true, bom: true, skip_empty_lines: true, trim: true })
  } catch {
    return [] // in no form that is known; halves are tried instead
  }
}

/** A value is known by its path, so that the contact may stand in the row or be a part of it. */
function flat(value: unknown, path = ''): Row {
  if (typeof value !== 'object' || value === null) return { [path]: String(value ?? '') }
  return Object.assign({}, ...Object.entries(value).map(([name, part]) => flat(part, `${path}${path && '.'}${name}`)))
}

/** Identifiers to the change ids of those who have them. */
function ownersOf(batch: readonly Change[]): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>()
  for (const { changeId, fields } of batch) {
    for (const name of identifiers) {
      const value = fields[name]
      if (value === undefined || value === null || value === '') continue
      const identifier = String(value).trim().toLowerCase()
      owners.set(identifier, [...(owners.get(identifier) ?? []), changeId])
    }
  }
  return owners
}

function reasonIn(row: Row): string {
  const said = Object.entries(row).find(([name, text]) => /error|reason|message/i.test(name) && text !== '')?.[1]
  return (said ?? 'SendGrid gives no reason').slice(0, 500)
}
