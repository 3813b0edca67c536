/** SendGrid's requests and replies as they are: what its page shows, and what its definition is held to. */
import type { Change, Example, Job, JobFile, JobVerdict, Verdict } from '../delivery/destination.ts'

const list = 'a8f1c1de-9d0b-4d4e-8f57-3f0a5a3b1c11'

/** The settings of the examples and of the reference page. */
export const sendgridExample = {
  api_key: `\${env:SENDGRID_API_KEY}`,
  template_data: ['first_name', 'discount'],
  custom_fields: { plan: 'w1_T', ltv_eur: 'w2_N' },
}

const envelope = { template_id: 'd-4f1c', from: 'hello@example.com', from_name: 'Harbour' }
const ada: Change = {
  key: 'c1',
  changeId: 'a1',
  op: 'enter',
  fields: { ...envelope, to: 'ada@example.com', to_name: 'Ada', first_name: 'Ada', discount: null },
}
const bob: Change = {
  key: 'c2',
  changeId: 'b1',
  op: 'enter',
  fields: { ...envelope, to: 'bob@example.invalid', first_name: 'Bob' },
}

const mailRequest: Example['request'] = {
  method: 'POST',
  path: '/v3/mail/send',
  json: {
    from: { email: 'hello@example.com', name: 'Harbour' },
    template_id: 'd-4f1c',
    personalizations: [
      {
        to: [{ email: 'ada@example.com', name: 'Ada' }],
        dynamic_template_data: { first_name: 'Ada', discount: null },
        custom_args: { activate_change_id: 'a1' },
      },
      {
        to: [{ email: 'bob@example.invalid' }],
        dynamic_template_data: { first_name: 'Bob' },
        custom_args: { activate_change_id: 'b1' },
      },
    ],
  },
}

function mailed(name: string, status: number, body: unknown, verdict: Verdict): Example {
  return { name, changes: [ada, bob], request: mailRequest, reply: { status, body }, verdict }
}

const wrongAddress = 'Does not contain a valid address.'

export const mailExamples: readonly Example[] = [
  mailed('an empty 202 is all there is to a yes', 202, '', { kind: 'acked' }),
  mailed(
    'one address is wrong, so nobody was sent to: the others go on without it',
    400,
    { errors: [{ message: wrongAddress, field: 'personalizations.1.to', help: null }] },
    {
      ...{ kind: 'refused', code: 'http_400', message: `personalizations.1.to: ${wrongAddress}` },
      faults: [{ changeId: 'b1', code: 'http_400', message: `personalizations.1.to: ${wrongAddress}` }],
    },
  ),
  mailed(
    'an error that names no record: halves are tried',
    400,
    { errors: [{ message: 'The template_id is unknown.', field: 'template_id', help: null }] },
    { kind: 'refused', code: 'http_400', message: 'template_id: The template_id is unknown.' },
  ),
  mailed('too large for one request', 413, '', { kind: 'refused', code: 'http_413', message: 'HTTP 413' }),
]

const carol: Change = {
  key: 'c3',
  changeId: 'k1',
  op: 'enter',
  fields: { email: 'carol@example.com', city: null, plan: 'gold', ltv_eur: 120.5, list_id: list, contact_id: null },
}

const contactsRequest: Example['request'] = {
  method: 'PUT',
  path: '/v3/marketing/contacts',
  json: {
    list_ids: [list],
    contacts: [{ email: 'carol@example.com', city: '', custom_fields: { w1_T: 'gold', w2_N: 120.5 } }],
  },
}

export const contactExamples: readonly Example[] = [
  {
    name: 'a contact, of whom a job will tell',
    changes: [carol],
    request: contactsRequest,
    reply: { status: 202, body: { job_id: 'j-1' } },
    verdict: { kind: 'accepted', reference: 'j-1' },
  },
]

function asked(
  name: string,
  status: number,
  body: unknown,
  verdict: JobVerdict,
): NonNullable<Job<unknown>['examples']>[number] {
  const request = { method: 'GET', path: '/v3/marketing/contacts/imports/j-1' } as const
  return { name, reference: 'j-1', changes: [carol], request, reply: { status, body }, verdict }
}

export const jobExamples: NonNullable<Job<unknown>['examples']> = [
  asked('it goes on', 200, { id: 'j-1', status: 'pending', job_type: 'upsert' }, { kind: 'pending' }),
  asked(
    'every contact was taken',
    200,
    { id: 'j-1', status: 'completed', results: { requested_count: 1, created_count: 1, errored_count: 0 } },
    { kind: 'acked' },
  ),
  asked(
    'some were not',
    200,
    { id: 'j-1', status: 'errored', results: { requested_count: 1, errored_count: 1 } },
    { kind: 'refused', code: 'job_errored', message: 'SendGrid did not take 1 of the contacts' },
  ),
  asked(
    'nobody knows the job',
    404,
    {},
    {
      ...{ kind: 'gone', code: 'http_404', message: 'SendGrid does not know this job' },
    },
  ),
]

const dave: Change = { ...carol, key: 'c4', changeId: 'k2', fields: { email: 'dave@example', list_id: list } }

const jobOfTwo = {
  ...{ id: 'j-1', status: 'errored' },
  results: { requested_count: 2, errored_count: 1, errors_url: 'https://files.example.com/errors.csv' },
}

export const fileExamples: NonNullable<JobFile['examples']> = [
  {
    name: 'it names the one who was not taken',
    changes: [carol, dave],
    answer: jobOfTwo,
    reply: { status: 200, body: 'email,error\ndave@example,invalid email\n' },
    verdict: {
      kind: 'each',
      outcomes: [
        { changeId: 'k1', outcome: 'acked' },
        { changeId: 'k2', outcome: 'rejected', code: 'contact_refused', message: 'invalid email' },
      ],
    },
  },
  {
    name: 'it names nobody that was sent',
    changes: [carol, dave],
    answer: jobOfTwo,
    reply: { status: 200, body: 'row,error\n2,invalid email\n' },
    verdict: undefined,
  },
]

const leaver = (key: string, changeId: string, id: string): Change => ({
  ...{ key, changeId, op: 'leave' },
  fields: { email: `${key}@example.com`, list_id: list, contact_id: id },
})
const [first, second] = ['0b1f1b3e-2a44-4d52-9a3b-9f6a7d1c0001', '0b1f1b3e-2a44-4d52-9a3b-9f6a7d1c0002'] as const

export const removalExamples: readonly Example[] = [
  {
    name: 'two who leave',
    changes: [leaver('c1', 'r1', first), leaver('c2', 'r2', second)],
    request: { method: 'DELETE', path: `/v3/marketing/lists/${list}/contacts?contact_ids=${first},${second}` },
    reply: { status: 202, body: { job_id: 'j-2' } },
    verdict: { kind: 'acked' },
  },
  {
    name: 'there is no such list: the run ends, and nobody counts as refused',
    changes: [leaver('c1', 'r1', first)],
    request: { method: 'DELETE', path: `/v3/marketing/lists/${list}/contacts?contact_ids=${first}` },
    reply: { status: 404, body: { errors: [{ message: 'not found' }] } },
    verdict: { kind: 'denied', code: 'no_such_place', message: 'HTTP 404' },
  },
]
