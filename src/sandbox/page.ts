/**
 * The sandbox's one page: what arrived, what went wrong on purpose, and whether anybody got the same message twice. Rendered
 * on the server, no script; `html` of hono escapes every value.
 */
import { html, raw } from 'hono/html'
import { describeFaults, type FaultPlan, faultKinds } from './faults.ts'
import type { Contact, LoggedRequest, Memory, Message, Task } from './memory.ts'
import { pageStyle } from './page-style.ts'
import { type SandboxState, stateOf } from './state.ts'

export interface PageOptions {
  readonly faults: FaultPlan
  readonly seed: number
  /** Narrows contacts and messages to those that contain it. */
  readonly search: string
  /** Asks the browser to come again every two seconds. */
  readonly live: boolean
}

type Html = ReturnType<typeof html>

/** How many rows each table shows; all that match a search, up to this many times more. */
const shown = { contacts: 20, messages: 25, lists: 50, tasks: 20, requests: 40 } as const
const searchedFactor = 10

interface Cell {
  /** What the column is called; beside the value on a phone. */
  readonly name: string
  readonly value: Html | string | number
  readonly look?: 'wide' | 'num'
}

export function renderPage(memory: Memory, options: PageOptions): string {
  const state = stateOf(memory)
  const { search, live } = options
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${live ? raw('<meta http-equiv="refresh" content="2">') : ''}
<title>Sandbox: ${state.counts.contacts} contacts, ${state.counts.emails + state.counts.sms} messages</title>
<style>${raw(pageStyle)}</style>
</head>
<body>
<header>
<h1>Sandbox</h1>
<p>A CRM and a messenger that remember what they were sent. ${liveLink(search, live)}</p>
</header>
<main>
${duplicatesBand(state)}
${figures(state)}
<form method="get" action="/" role="search">
<label for="q">Find a customer</label>
<input id="q" name="q" type="search" value="${search}" placeholder="id, e-mail, name, change id">
<button>Find</button>
${search === '' ? '' : html`<a href="/">show all</a>`}
</form>
${messagesSection(memory, state, search)}
${contactsSection(memory, search)}
${tasksSection(memory, search)}
${listsSection(state)}
${requestsSection(memory)}
${faultsSection(state, options)}
</main>
</body>
</html>
`)
}

function liveLink(search: string, live: boolean): Html {
  const query = search === '' ? '' : `q=${encodeURIComponent(search)}`
  return live
    ? html`<a href="/?${query}">Stop following</a>`
    : html`<a href="/?${query === '' ? '' : `${query}&`}live=1">Follow live</a>`
}

function duplicatesBand({ counts, duplicates }: SandboxState): Html {
  const messages = counts.emails + counts.sms
  if (duplicates.length > 0) {
    return html`<section class="band bad"><h2>${number(counts.duplicates)} arrived twice</h2>
<p>The same change was sent as more than one message: ${duplicates.slice(0, 10).map(({ shared, messages: same }) => html`<a href="/?q=${encodeURIComponent(shared)}"><code>${short(shared)}</code></a> (${same.length}×) `)}</p></section>`
  }
  if (messages === 0)
    return html`<section class="band"><h2>No messages yet</h2><p>Run a sync, then look here again.</p></section>`
  const replays =
    counts.replays === 0
      ? ''
      : ` ${number(counts.replays)} repeated ${counts.replays === 1 ? 'request was' : 'requests were'} recognised by key and sent nothing.`
  return html`<section class="band good"><h2>0 arrived twice</h2><p>${messages === 1 ? 'The one message' : `Each of ${number(messages)} messages`} arrived once.${replays}</p></section>`
}

function figures({ counts }: SandboxState): Html {
  const tiles = [
    ['Contacts', counts.contacts],
    ['List members', counts.members],
    ['Tasks', counts.tasks],
    ['E-mails', counts.emails],
    ['SMS', counts.sms],
    ['Requests', counts.requests],
    ['Throttled', counts.throttled],
    ['Faults injected', counts.faults],
  ] as const
  return html`<dl class="figures">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${number(value)}</dd></div>`)}</dl>`
}

/** A table of the newest rows; on a phone each row becomes a small card. */
function section(title: string, what: string, total: number, rows: readonly (readonly Cell[])[], empty: string): Html {
  const note =
    total > rows.length ? html`<p class="note">The newest ${rows.length} of ${number(total)} ${what}.</p>` : ''
  const body = rows.length === 0 ? html`<p class="note">${empty}</p>` : html`${table(rows)}${note}`
  return html`<section><h2>${title} <span class="count">${number(total)}</span></h2>${body}</section>`
}

function table(rows: readonly (readonly Cell[])[]): Html {
  const head = (rows[0] ?? []).map(({ name }) => html`<th scope="col">${name}</th>`)
  const lines = rows.map(
    cells =>
      html`<tr>${cells.map(({ name, value, look }) => html`<td data-name="${name}" class="${look ?? ''}">${value}</td>`)}</tr>`,
  )
  return html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${lines}</tbody></table></div>`
}

/** Compared as JSON text, so that names and values of properties are found too. */
function contains(search: string, value: unknown): boolean {
  const text = (part: unknown) => JSON.stringify(part).toLowerCase()
  return search === '' || text(value).includes(text(search).slice(1, -1))
}

function limit(name: keyof typeof shown, search: string): number {
  return search === '' ? shown[name] : shown[name] * searchedFactor
}

function findContacts(memory: Memory, search: string): [string, Contact][] {
  return [...memory.contacts].filter(entry => contains(search, entry)).sort(([, a], [, b]) => b.updatedAt - a.updatedAt)
}

function contactsSection(memory: Memory, search: string): Html {
  const found = findContacts(memory, search)
  const rows = found.slice(0, limit('contacts', search)).map(([id, contact]) => contactRow(id, contact))
  const empty = search === '' ? 'No contact has arrived.' : 'No contact matches.'
  return section('Contacts', 'contacts', found.length, rows, empty)
}

function contactRow(id: string, { properties, writes, updatedAt }: Contact): Cell[] {
  const chip = ([name, value]: [string, unknown]) => html`<span class="chip"><b>${name}</b> ${String(value)}</span> `
  return [
    { name: 'Id', value: html`<a href="/?q=${encodeURIComponent(id)}"><code>${id}</code></a>` },
    { name: 'Properties', value: html`${Object.entries(properties).map(chip)}`, look: 'wide' },
    { name: 'Written', value: `${number(writes)}×`, look: 'num' },
    { name: 'Last', value: clock(updatedAt) },
  ]
}

function tasksSection(memory: Memory, search: string): Html {
  const found = [...memory.tasks].filter(entry => contains(search, entry)).reverse()
  const rows = found.slice(0, limit('tasks', search)).map(([, task]) => taskRow(task))
  return section('Tasks', 'tasks', found.length, rows, search === '' ? 'No task has arrived.' : 'No task matches.')
}

function taskRow({ about, title, owner, dueOn, note, createdAt }: Task): Cell[] {
  const more = note === undefined ? '' : html` <small>${note}</small>`
  return [
    { name: 'About', value: html`<a href="/?q=${encodeURIComponent(about)}"><code>${about}</code></a>` },
    { name: 'Task', value: html`${title}${more}`, look: 'wide' },
    { name: 'Owner', value: owner ?? '' },
    { name: 'Due', value: dueOn ?? '' },
    { name: 'Arrived', value: clock(createdAt) },
  ]
}

function listsSection({ lists }: SandboxState): Html {
  const entries = Object.entries(lists)
  const rows = entries.slice(0, shown.lists).map(([name, members]): Cell[] => {
    const more = members.length > 12 ? html` <span class="note">and ${number(members.length - 12)} more</span>` : ''
    return [
      { name: 'Name', value: html`<code>${name}</code>` },
      { name: 'Members', value: number(members.length), look: 'num' },
      { name: 'Who', value: html`${members.slice(0, 12).join(', ')}${more}`, look: 'wide' },
    ]
  })
  return section('Lists', 'lists', entries.length, rows, 'No list has a member.')
}

/** A search for a customer also finds what was sent to that customer's address. */
function messagesSection(memory: Memory, { duplicates }: SandboxState, search: string): Html {
  const twice = new Set(duplicates.flatMap(({ messages }) => messages))
  const people = search === '' ? [] : findContacts(memory, search)
  const addresses = new Set(people.flatMap(([, { properties }]) => [properties.email, properties.phone]))
  const concerns = (message: Message) => contains(search, message) || addresses.has(message.content.to)
  const found = [...memory.messages.values()].filter(concerns).reverse()
  const rows = found.slice(0, limit('messages', search)).map(message => messageRow(message, twice.has(message.id)))
  const empty = search === '' ? 'No message has arrived.' : 'No message matches.'
  return section('Messages', 'messages', found.length, rows, empty)
}

function messageRow({ id, channel, receivedAt, idempotencyKey, content }: Message, twice: boolean): Cell[] {
  const change = content.reference ?? idempotencyKey ?? ''
  const flag = twice ? html` <span class="tag bad">twice</span>` : ''
  return [
    { name: 'Arrived', value: html`${clock(receivedAt)} <small>${id}</small>` },
    { name: 'Channel', value: html`${channel}${flag}` },
    { name: 'To', value: content.to },
    { name: 'Message', value: messageText(content), look: 'wide' },
    { name: 'Change', value: html`<code title="${change}">${short(change)}</code>` },
  ]
}

function messageText(content: Message['content']): Html {
  if ('text' in content) return html`${content.text}`
  const { subject, body, template, data } = content
  const made = template === undefined && data === undefined ? [] : [JSON.stringify({ template, data }, undefined, 2)]
  const more = [...(body === undefined ? [] : [body]), ...made].join('\n')
  return more === '' ? html`${subject}` : html`${subject}<details><summary>more</summary><pre>${more}</pre></details>`
}

function requestsSection(memory: Memory): Html {
  const newest = [...memory.requests.values()].reverse().slice(0, shown.requests)
  return section('Requests', 'requests', memory.counters.requests, newest.map(requestRow), 'No request has arrived.')
}

function requestRow({ n, at, method, path, status, records, failed, fault, note }: LoggedRequest): Cell[] {
  const mood = status === 'none' ? 'bad' : status < 300 ? 'good' : status === 429 ? 'warn' : 'bad'
  const refused = failed === 0 ? '' : html` <span class="tag warn">${failed} refused</span>`
  const misfortune = fault === undefined ? '' : html`<span class="tag bad">${fault}</span> `
  return [
    { name: 'No.', value: number(n), look: 'num' },
    { name: 'At', value: clock(at) },
    { name: 'Request', value: html`<code>${method} ${path}</code>` },
    { name: 'Answer', value: html`<span class="tag ${mood}">${status === 'none' ? 'no answer' : status}</span>` },
    { name: 'Records', value: html`${records === 0 ? '' : records}${refused}`, look: 'num' },
    { name: 'Remarks', value: html`${misfortune}${note ?? ''}` },
  ]
}

function faultsSection({ faults, counts }: SandboxState, { faults: plan, seed }: PageOptions): Html {
  const rows = faultKinds.map((kind): Cell[] => [
    { name: 'Kind', value: html`<code>${kind}</code>` },
    { name: 'What happens', value: meaning[kind] },
    { name: 'Share', value: percent(plan[kind] ?? 0), look: 'num' },
    { name: 'So far', value: number(faults[kind]), look: 'num' },
  ])
  return html`<section><h2>Faults <span class="count">${number(counts.faults)}</span></h2>
<p class="note">Chosen: ${describeFaults(plan)}. Seed ${seed}: the same requests in the same order meet the same faults.</p>
${table(rows)}</section>`
}

const meaning = {
  '5xx': 'answered 500 or 503; half of them were processed all the same',
  '429': 'refused with Retry-After, not processed',
  timeout: 'never answered, not processed',
  reset: 'connection torn down, not processed',
  lost: 'processed, but the answer never arrives',
} as const

function number(value: number): string {
  return value.toLocaleString('en-GB')
}

function percent(share: number): string {
  return share === 0 ? '–' : `${Math.round(share * 10_000) / 100} %`
}

function clock(at: number): Html {
  const text = new Date(at).toISOString()
  return html`<time datetime="${text}" title="${text}">${text.slice(11, 19)}</time>`
}

function short(text: string): string {
  return text.length > 12 ? `${text.slice(0, 12)}…` : text
}
