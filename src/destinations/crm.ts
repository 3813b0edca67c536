/**
 * The sandbox's CRM: contacts, lists and tasks (docs/reference/sandbox-api.md). Every request may be repeated: contacts are
 * merged by id, members are a set, a change has one task. A removal takes back only the properties that the sync had sent.
 */
import { z } from 'zod'
import { type Change, defineDestination, type Example, type HttpReply, type Verdict } from '../delivery/destination.ts'
import { interpretStatus } from '../delivery/interpret.ts'
import { readOutcomes, unreadable } from './record-outcomes.ts'
import { sandboxBasics } from './sandbox-settings.ts'

const property = z.union([z.string().max(10_000), z.number(), z.boolean(), z.null()])

const contact = z
  .object({
    email: z.email({ pattern: z.regexes.unicodeEmail }).nullable().optional().describe('E-mail address'),
    phone: z.e164().nullable().optional().describe('Telephone number in E.164, such as +447700900123'),
  })
  .catchall(property)
  .describe('Any other name is a property of your own: text, number, boolean or null, which clears it')

const membership = z.object({
  list: z.string().min(1).max(255).describe('Name of the list; made when its first member comes'),
})

const task = z.object({
  title: z.string().min(1).max(255).describe('What there is to do, in one line'),
  owner: z.string().max(255).nullable().optional().describe('Who is to do it'),
  due_on: z.iso.date().nullable().optional().describe('The day by which it should be done, such as 2026-03-02'),
  note: z.string().max(10_000).nullable().optional().describe('What helps in doing it'),
})

const hundred = { maxRecords: 100, maxBytes: 1_000_000 }

const upsertPath = '/crm/contacts/batch/upsert'
const updatePath = '/crm/contacts/batch/update'
const removePath = '/crm/contacts/batch/remove'
const addPath = '/crm/lists/members/batch/add'
const taskPath = '/crm/tasks/batch/create'
const dropPath = '/crm/lists/members/batch/remove'

export const crm = defineDestination({
  name: 'crm',
  summary: "The sandbox's CRM: contacts with properties of your own, lists, and tasks",
  docs: 'docs/reference/sandbox-api.md',
  ...sandboxBasics,
  actions: () => ({
    upsert_contacts: {
      summary: 'Creates contacts or merges the mapped properties into them, by id',
      modes: ['upsert', 'mirror', 'append'],
      fields: contact,
      batch: hundred,
      idempotency: { kind: 'natural' },
      leavers: 'remove_contacts',
      request: batch => ({ method: 'POST', path: upsertPath, json: { records: batch.map(withProperties) } }),
      interpret,
      examples: upsertExamples,
    },
    update_contacts: {
      summary: 'Merges the mapped properties into contacts that exist; others are refused',
      modes: ['update'],
      fields: contact,
      batch: hundred,
      idempotency: { kind: 'natural' },
      request: batch => ({ method: 'POST', path: updatePath, json: { records: batch.map(withProperties) } }),
      interpret,
      examples: updateExamples,
    },
    remove_contacts: {
      summary: 'Clears the properties that the sync had sent; a contact without any left is removed',
      modes: [],
      fields: contact,
      batch: hundred,
      idempotency: { kind: 'natural' },
      takesLeavers: true,
      leaverFields: [],
      request: batch => ({ method: 'POST', path: removePath, json: { records: batch.map(withPropertyNames) } }),
      interpret,
      examples: removeExamples,
    },
    add_to_list: {
      summary: 'Adds members to a list, by id',
      modes: ['audience', 'append'],
      fields: membership,
      batch: hundred,
      idempotency: { kind: 'natural' },
      leavers: 'remove_from_list',
      request: batch => ({ method: 'POST', path: addPath, json: { records: batch.map(withList) } }),
      interpret,
      examples: addExamples,
    },
    remove_from_list: {
      summary: 'Takes members off a list, by id',
      modes: [],
      fields: membership,
      batch: hundred,
      idempotency: { kind: 'natural' },
      takesLeavers: true,
      leaverFields: ['list'],
      request: batch => ({ method: 'POST', path: dropPath, json: { records: batch.map(withList) } }),
      interpret,
      examples: dropExamples,
    },
    create_task: {
      summary: 'Creates a task about the contact of this id; the same change again makes no second one',
      modes: ['append', 'trigger'],
      fields: task,
      batch: hundred,
      idempotency: { kind: 'natural' },
      request: batch => ({ method: 'POST', path: taskPath, json: { records: batch.map(withTask) } }),
      interpret,
      examples: taskExamples,
    },
  }),
})

const withProperties = ({ key, changeId, fields }: Change) => ({ id: key, change_id: changeId, properties: fields })
const withPropertyNames = ({ key, changeId, fields }: Change) => ({
  id: key,
  change_id: changeId,
  properties: Object.keys(fields),
})
const withList = ({ key, changeId, fields }: Change) => ({ list: fields.list ?? null, id: key, change_id: changeId })

const withTask = ({ key, changeId, fields }: Change) => ({ id: key, change_id: changeId, ...fields })

function interpret(reply: HttpReply, batch: readonly Change[]): Verdict {
  if (reply.status !== 200) return interpretStatus(reply)
  const answers = { list: 'results', id: 'id', ok: { field: 'status', equals: 'ok' }, error: 'message', code: 'code' }
  const outcomes = readOutcomes(reply, batch, answers)
  return outcomes ? { kind: 'each', outcomes } : unreadable(reply, answers.list)
}

const ada: Change = { key: 'c1', changeId: 'a1', op: 'enter', fields: { email: 'ada@example.com', ltv_eur: 120.5 } }
const bob: Change = { key: 'c2', changeId: 'b1', op: 'change', fields: { email: 'nope', ltv_eur: null } }

const upsertExamples: readonly Example[] = [
  {
    name: 'one contact is taken, another refused',
    changes: [ada, bob],
    request: {
      method: 'POST',
      path: upsertPath,
      json: {
        records: [
          { id: 'c1', change_id: 'a1', properties: { email: 'ada@example.com', ltv_eur: 120.5 } },
          { id: 'c2', change_id: 'b1', properties: { email: 'nope', ltv_eur: null } },
        ],
      },
    },
    reply: {
      status: 200,
      body: {
        results: [
          { id: 'c1', status: 'ok' },
          { id: 'c2', status: 'error', code: 'invalid_email', message: '"nope" is not an e-mail address' },
        ],
      },
    },
    verdict: {
      kind: 'each',
      outcomes: [
        { changeId: 'a1', outcome: 'acked' },
        { changeId: 'b1', outcome: 'rejected', code: 'invalid_email', message: '"nope" is not an e-mail address' },
      ],
    },
  },
  {
    name: 'a reply that cannot be read proves nothing',
    changes: [ada],
    request: {
      method: 'POST',
      path: upsertPath,
      json: { records: [{ id: 'c1', change_id: 'a1', properties: { email: 'ada@example.com', ltv_eur: 120.5 } }] },
    },
    reply: { status: 200, body: '<html>' },
    verdict: { kind: 'uncertain', code: 'unreadable_reply', message: 'the reply (200) holds a body that is not JSON' },
  },
]

const updateExamples: readonly Example[] = [
  {
    name: 'a contact that does not exist',
    changes: [{ ...ada, op: 'change' }],
    request: {
      method: 'POST',
      path: updatePath,
      json: { records: [{ id: 'c1', change_id: 'a1', properties: { email: 'ada@example.com', ltv_eur: 120.5 } }] },
    },
    reply: {
      status: 200,
      body: { results: [{ id: 'c1', status: 'error', code: 'not_found', message: 'no contact "c1"' }] },
    },
    verdict: {
      kind: 'each',
      outcomes: [{ changeId: 'a1', outcome: 'rejected', code: 'not_found', message: 'no contact "c1"' }],
    },
  },
]

const removeExamples: readonly Example[] = [
  {
    name: 'a contact leaves the segment',
    changes: [{ ...ada, changeId: 'a2', op: 'leave' }],
    request: {
      method: 'POST',
      path: removePath,
      json: { records: [{ id: 'c1', change_id: 'a2', properties: ['email', 'ltv_eur'] }] },
    },
    reply: { status: 200, body: { results: [{ id: 'c1', status: 'ok' }] } },
    verdict: { kind: 'each', outcomes: [{ changeId: 'a2', outcome: 'acked' }] },
  },
]

const member: Change = { key: 'c1', changeId: 'a1', op: 'enter', fields: { list: 'at_risk' } }

const addExamples: readonly Example[] = [
  {
    name: 'a new member',
    changes: [member],
    request: { method: 'POST', path: addPath, json: { records: [{ list: 'at_risk', id: 'c1', change_id: 'a1' }] } },
    reply: { status: 200, body: { results: [{ id: 'c1', status: 'ok' }] } },
    verdict: { kind: 'each', outcomes: [{ changeId: 'a1', outcome: 'acked' }] },
  },
]

const dropExamples: readonly Example[] = [
  {
    name: 'a member leaves',
    changes: [{ ...member, changeId: 'a2', op: 'leave' }],
    request: { method: 'POST', path: dropPath, json: { records: [{ list: 'at_risk', id: 'c1', change_id: 'a2' }] } },
    reply: { status: 200, body: { results: [{ id: 'c1', status: 'ok' }] } },
    verdict: { kind: 'each', outcomes: [{ changeId: 'a2', outcome: 'acked' }] },
  },
]

const call: Change = {
  key: 'L000042',
  changeId: 'a1',
  op: 'enter',
  fields: { title: 'Call Ada of Harbour Foods', owner: 'maya', due_on: '2026-03-02', note: null },
}

const taskExamples: readonly Example[] = [
  {
    name: 'a lead to call',
    changes: [call],
    request: {
      method: 'POST',
      path: taskPath,
      json: {
        records: [
          {
            ...{ id: 'L000042', change_id: 'a1', title: 'Call Ada of Harbour Foods' },
            ...{ owner: 'maya', due_on: '2026-03-02', note: null },
          },
        ],
      },
    },
    reply: { status: 200, body: { results: [{ id: 'L000042', status: 'ok' }] } },
    verdict: { kind: 'each', outcomes: [{ changeId: 'a1', outcome: 'acked' }] },
  },
]
