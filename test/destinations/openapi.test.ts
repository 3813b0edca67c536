/**
 * Every request that SendGrid's and Twilio's definitions build, held to the vendors' own descriptions; and for each endpoint a
 * request that is deliberately wrong, so that a description that accepts anything is noticed. The descriptions are no part of
 * the project: `ACTIVATE_OPENAPI_DIR`, or `shared/openapi` beside the checkout, has them.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import type { Action, DestinationDefinition, Example, HttpRequest } from '../../src/delivery/destination.ts'
import { destinations } from '../../src/destinations/index.ts'
import { sendgridExample } from '../../src/destinations/sendgrid-examples.ts'
import { twilioExample } from '../../src/destinations/twilio-examples.ts'

const folder = process.env.ACTIVATE_OPENAPI_DIR ?? join(import.meta.dirname, '../../../shared/openapi')
const present = existsSync(join(folder, 'twilio', 'messages.json'))

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly $ref?: string; readonly content?: Readonly<Record<string, unknown>> }
}

/** What a vendor's description says of requests; `problemsOf` is empty for one that it would take. */
class Contract {
  private readonly description: Description
  private readonly ajv: Ajv2020

  constructor(file: string) {
    this.description = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    // Forms carry texts, and descriptions carry keywords of their own.
    this.ajv = new Ajv2020({ strict: false, coerceTypes: true, allErrors: true })
    addFormats.default(this.ajv)
    this.ajv.addFormat('phone-number', true)
    this.ajv.addSchema({ $id: 'vendor', ...this.description })
  }

  problemsOf({ method, path, json, form }: HttpRequest): readonly string[] {
    const [pathname = '', query = ''] = path.split('?')
    const template = Object.keys(this.description.paths).find(each => matches(each, pathname))
    const operation = template === undefined ? undefined : this.description.paths[template]?.[method.toLowerCase()]
    if (template === undefined || operation === undefined) return [`there is no ${method} ${pathname}`]
    const inQuery = this.queryProblems(template, method.toLowerCase(), operation, new URLSearchParams(query))
    if (inQuery.length > 0) return inQuery
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded'
    const body = json ?? form
    if (body === undefined) return operation.requestBody === undefined ? [] : ['a body is missing']
    if (operation.requestBody === undefined) return ['a body where there is none']
    const at = operation.requestBody?.$ref ?? `#/paths/${pointerPart(template)}/${method.toLowerCase()}/requestBody`
    return this.check(`${at}/content/${pointerPart(type)}/schema`, body)
  }

  private queryProblems(
    template: string,
    method: string,
    { parameters = [] }: Operation,
    query: URLSearchParams,
  ): readonly string[] {
    const known = parameters.filter(parameter => parameter.in === 'query')
    const strangers = [...query.keys()].filter(name => !known.some(parameter => parameter.name === name))
    const at = `#/paths/${pointerPart(template)}/${method}/parameters`
    const wrong = known.flatMap(({ name, required = false }) => {
      const value = query.get(name)
      if (value === null) return required ? [`"${name}" is missing`] : []
      const validate = this.ajv.compile({
        $ref: `vendor${at}/${parameters.findIndex(one => one.name === name)}/schema`,
      })
      return validate(value) ? [] : [`"${name}" ${validate.errors?.[0]?.message}`]
    })
    return [...strangers.map(name => `there is no "${name}"`), ...wrong]
  }

  check(pointer: string, value: unknown): readonly string[] {
    const validate: ValidateFunction = this.ajv.compile({ $ref: `vendor${pointer}` })
    const known = this.propertiesAt(pointer)
    const strangers = Object.keys(value as object).filter(name => known !== undefined && !known.has(name))
    validate(structuredClone(value))
    const errors = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
    return [...errors, ...strangers.map(name => `there is no "${name}"`)]
  }

  /** Descriptions leave objects open, so a misspelt name would pass. */
  private propertiesAt(pointer: string): ReadonlySet<string> | undefined {
    let at: unknown = this.description
    for (const part of pointer.slice(2).split('/'))
      at = (at as Readonly<Record<string, unknown>>)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
    const { properties } = at as { readonly properties?: object }
    return properties && new Set(Object.keys(properties))
  }
}

function pointerPart(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1')
}

function matches(template: string, path: string): boolean {
  const pattern = template.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')
  return new RegExp(`^${pattern}$`).test(path)
}

type AnyAction = Action<Readonly<Record<string, unknown>>>

function actionOf(name: string, action: string, settings: Readonly<Record<string, unknown>>) {
  const definition = destinations.find(each => each.name === name) as DestinationDefinition
  const parsed = definition.settings.parse(settings) as Readonly<Record<string, unknown>>
  const found = (definition.actions(parsed) as Readonly<Record<string, AnyAction>>)[action]
  if (found === undefined) throw new Error(`no action ${action}`)
  return { action: found, settings: parsed }
}

function build({ action, settings }: ReturnType<typeof actionOf>, changes: Example['changes']): HttpRequest {
  const request = action.request?.(changes, { settings, idempotencyKey: 'key' })
  if (request === undefined) throw new Error('no request')
  return request
}

const endpoints = [
  {
    ...{ vendor: 'sendgrid', file: 'sendgrid/mail.json', action: 'mail', settings: sendgridExample },
    wrong: (request: HttpRequest) => [
      { ...request, json: { ...(request.json as object), from: undefined } },
      { ...request, json: { ...(request.json as object), from: { email: 'nobody' } } },
      { ...request, json: { ...(request.json as object), personalizations: [{ to: [{ name: 'Ada' }] }] } },
      { ...request, json: { ...(request.json as object), template: 'd-1' } },
    ],
  },
  {
    ...{ vendor: 'sendgrid', file: 'sendgrid/contacts.json', action: 'contacts', settings: sendgridExample },
    wrong: (request: HttpRequest) => [
      { ...request, json: { contacts: [] } },
      { ...request, json: { contacts: Array(30_001).fill({ email: 'ada@example.com' }) } },
      { ...request, json: { contacts: [{ email: 'ada@example.com' }], list_ids: ['not a uuid'] } },
      { ...request, method: 'POST' as const },
    ],
  },
  {
    ...{ vendor: 'sendgrid', file: 'sendgrid/lists.json', action: 'list_removal', settings: sendgridExample },
    wrong: (request: HttpRequest) => [
      { ...request, path: request.path.replace(/\?.*/, '') },
      { ...request, path: request.path.replace(/=.*/, '=') },
      { ...request, path: request.path.replace('contact_ids', 'contacts') },
      { ...request, path: request.path.replace('/lists/', '/list/') },
      { ...request, method: 'POST' as const },
      { ...request, json: { contact_ids: [] } },
    ],
  },
  ...(['sms', 'whatsapp'] as const).map(action => ({
    ...{ vendor: 'twilio', file: 'twilio/messages.json', action, settings: twilioExample },
    wrong: ({ form = {}, ...request }: HttpRequest) => [
      { ...request, form: Object.fromEntries(Object.entries(form).filter(([name]) => name !== 'To')) },
      { ...request, form: { ...form, MessagingServiceSid: 'MG1' } },
      { ...request, form: { ...form, ValidityPeriod: 'soon' } },
      { ...request, form: { ...form, Text: 'Hello' } },
    ],
  })),
]

const reason = present ? '' : `, skipped because ${folder} does not have them; ACTIVATE_OPENAPI_DIR says where they are`

describe.skipIf(!present)(`requests and the vendors' own descriptions${reason}`, () => {
  for (const { vendor, file, action, settings, wrong } of endpoints) {
    const opened = actionOf(vendor, action, settings)
    const [first] = opened.action.examples ?? []
    const why = existsSync(join(folder, file)) ? '' : `, skipped because there is no ${file}`

    test.skipIf(why !== '')(`${vendor} takes what ${action} builds${why}`, () => {
      const contract = new Contract(file)
      const built = (opened.action.examples ?? []).map(({ changes }) => build(opened, changes))
      expect(built.length).toBeGreaterThan(0)
      expect(built.map(request => contract.problemsOf(request))).toEqual(built.map(() => []))
    })

    test.skipIf(why !== '')(`${vendor} would not take these of ${action}${why}`, () => {
      if (first === undefined) throw new Error('no example')
      const contract = new Contract(file)
      const problems = wrong(build(opened, first.changes)).map(request => contract.problemsOf(request).length)
      expect(problems.filter(count => count === 0)).toEqual([])
    })
  }

  test('a full batch of contacts and of mails is as large as the vendor takes, and no larger', () => {
    const many = { ...sendgridExample, recipients_per_request: 1_000, contacts_per_job: 30_000 }
    const [mail, contacts] = [actionOf('sendgrid', 'mail', many), actionOf('sendgrid', 'contacts', many)]
    const [oneMail, oneContact] = [mail, contacts].map(({ action }) => action.examples?.[0]?.changes[0])
    if (oneMail === undefined || oneContact === undefined) throw new Error('no example')
    const inMails = new Contract('sendgrid/mail.json')
    const inContacts = new Contract('sendgrid/contacts.json')
    expect(inMails.problemsOf(build(mail, Array(1_000).fill(oneMail)))).toEqual([])
    expect(inMails.problemsOf(build(mail, Array(1_001).fill(oneMail)))).not.toEqual([])
    expect(inContacts.problemsOf(build(contacts, Array(30_000).fill(oneContact)))).toEqual([])
  })

  test('SendGrid is asked about a job where it answers such questions, and answers as the examples do', () => {
    const contract = new Contract('sendgrid/contacts.json')
    const { job } = actionOf('sendgrid', 'contacts', sendgridExample).action
    const examples = job?.examples ?? []
    expect(examples.length).toBeGreaterThan(0)
    const answer = '#/components/schemas/ContactImport'
    for (const { request, reply } of examples) {
      expect(contract.problemsOf(request)).toEqual([])
      expect(contract.problemsOf({ ...request, method: 'DELETE' })).not.toEqual([])
      expect(contract.problemsOf({ ...request, path: request.path.replace('imports', 'jobs') })).not.toEqual([])
      if (reply.status === 200) expect(contract.check(answer, reply.body)).toEqual([])
    }
    expect(contract.check(answer, { id: 'j', state: 'done' })).not.toEqual([])
  })
})
