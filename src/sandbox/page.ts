/**
 * The sandbox's one page: what arrived, what went wrong on purpose, and whether anybody got the same message twice. Rendered
 * on the server, no script; `html` of hono escapes every value.
 */
import { html, raw } from 'hono/html'
import { describeFaults, type FaultPlan, faultKinds } from './faults.ts'
import type { Contact, LoggedRequest, Memory, Message } from './memory.ts'
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

const shown = 50

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
${contactsSection(memory, search)}
${listsSection(state)}
${messagesSection(memory, state, search)}
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
  return html`<section class="band good"><h2>0 arrived twice</h2><p>Each of ${number(messages)} messages arrived once.${replays}</p></section>`
}

function figures({ counts }: SandboxState): Html {
  const tiles = [
    ['Contacts', counts.contacts],
    ['List members', counts.members],
    ['E-mails', counts.emails],
    ['SMS', counts.sms],
    ['Requests', counts.requests],
    ['Throttled', counts.throttled],
    ['Faults injected', counts.faults],
  ] as const
  return html`<dl class="figures">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${number(value)}</dd></div>`)}</dl>`
}

/** A table that can be scrolled sideways on a narrow screen; `rows` are shown as they are. */
function section(
  title: string,
  total: number,
  what: string,
  head: readonly string[],
  rows: readonly Html[],
  empty: string,
): Html {
  const note =
    total > rows.length ? html`<p class="note">The newest ${rows.length} of ${number(total)} ${what}.</p>` : ''
  const table = html`<div class="scroll"><table><thead><tr>${head.map(name => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`
  return html`<section><h2>${title} <span class="count">${number(total)}</span></h2>${rows.length === 0 ? html`<p class="note">${empty}</p>` : html`${table}${note}`}</section>`
}

function contains(search: string, value: unknown): boolean {
  return (
    search === '' || JSON.stringify(value).toLowerCase().includes(JSON.stringify(search).slice(1, -1).toLowerCase())
  )
}

function contactsSection(memory: Memory, search: string): Html {
  const found = [...memory.contacts].filter(entry => contains(search, entry))
  const newest = found.sort(([, a], [, b]) => b.updatedAt - a.updatedAt).slice(0, shown)
  const empty = search === '' ? 'No contact has arrived.' : 'No contact matches.'
  return section(
    'Contacts',
    found.length,
    'contacts',
    ['Id', 'Properties', 'Written', 'Last'],
    newest.map(([id, contact]) => contactRow(id, contact)),
    empty,
  )
}

function contactRow(id: string, { properties, writes, updatedAt }: Contact): Html {
  const chips = Object.entries(properties).map(
    ([name, value]) => html`<span class="chip"><b>${name}</b> ${String(value)}</span> `,
  )
  return html`<tr><td><a href="/?q=${encodeURIComponent(id)}"><code>${id}</code></a></td><td class="wide">${chips}</td><td class="num">${number(writes)}×</td><td>${clock(updatedAt)}</td></tr>`
}

function listsSection({ lists }: SandboxState): Html {
  const entries = Object.entries(lists)
  const rows = entries.slice(0, shown).map(([name, members]) => {
    const more = members.length > 12 ? html` <span class="note">and ${number(members.length - 12)} more</span>` : ''
    return html`<tr><td><code>${name}</code></td><td class="num">${number(members.length)}</td><td class="wide">${members.slice(0, 12).join(', ')}${more}</td></tr>`
  })
  return section('Lists', entries.length, 'lists', ['Name', 'Members', 'Who'], rows, 'No list has a member.')
}

function messagesSection(memory: Memory, { duplicates }: SandboxState, search: string): Html {
  const twice = new Set(duplicates.flatMap(({ messages }) => messages))
  const found = [...memory.messages.values()].filter(message => contains(search, message)).reverse()
  const empty = search === '' ? 'No message has arrived.' : 'No message matches.'
  const rows = found.slice(0, shown).map(message => messageRow(message, twice.has(message.id)))
  return section('Messages', found.length, 'messages', ['Arrived', 'Channel', 'To', 'Message', 'Change'], rows, empty)
}

function messageRow({ id, channel, receivedAt, idempotencyKey, content }: Message, twice: boolean): Html {
  const text = 'text' in content ? content.text : content.subject
  const more =
    'text' in content || (content.body ?? content.template ?? content.data) === undefined
      ? undefined
      : { body: content.body, template: content.template, data: content.data }
  const details =
    more === undefined
      ? ''
      : html`<details><summary>more</summary><pre>${more.body ?? ''}${more.template === undefined && more.data === undefined ? '' : `\n${JSON.stringify({ template: more.template, data: more.data }, undefined, 2)}`}</pre></details>`
  const flag = twice ? html` <span class="tag bad">twice</span>` : ''
  return html`<tr><td>${clock(receivedAt)}<br><small>${id}</small></td><td>${channel}${flag}</td><td>${content.to}</td><td class="wide">${text}${details}</td><td><code title="${content.reference ?? idempotencyKey ?? ''}">${short(content.reference ?? idempotencyKey ?? '')}</code></td></tr>`
}

function requestsSection(memory: Memory): Html {
  const newest = [...memory.requests.values()].reverse().slice(0, shown)
  const head = ['No.', 'At', 'Request', 'Answer', 'Records', 'Remarks']
  return section(
    'Requests',
    memory.counters.requests,
    'requests',
    head,
    newest.map(requestRow),
    'No request has arrived.',
  )
}

function requestRow({ n, at, method, path, status, records, failed, fault, note }: LoggedRequest): Html {
  const mood = status === 'none' ? 'bad' : status < 300 ? 'good' : status === 429 ? 'warn' : 'bad'
  const refused = failed === 0 ? '' : html` <span class="tag warn">${failed} refused</span>`
  const misfortune = fault === undefined ? '' : html`<span class="tag bad">${fault}</span> `
  return html`<tr><td class="num">${n}</td><td>${clock(at)}</td><td><code>${method} ${path}</code></td><td><span class="tag ${mood}">${status === 'none' ? 'no answer' : status}</span></td><td class="num">${records === 0 ? '' : records}${refused}</td><td>${misfortune}${note ?? ''}</td></tr>`
}

function faultsSection({ faults, counts }: SandboxState, { faults: plan, seed }: PageOptions): Html {
  const rows = faultKinds.map(
    kind =>
      html`<tr><td><code>${kind}</code></td><td>${meaning[kind]}</td><td class="num">${percent(plan[kind] ?? 0)}</td><td class="num">${number(faults[kind])}</td></tr>`,
  )
  return html`<section><h2>Faults <span class="count">${number(counts.faults)}</span></h2>
<p class="note">Chosen: ${describeFaults(plan)}. Seed ${seed}: the same requests in the same order meet the same faults.</p>
<div class="scroll"><table><thead><tr><th scope="col">Kind</th><th scope="col">What happens</th><th scope="col">Share</th><th scope="col">So far</th></tr></thead><tbody>${rows}</tbody></table></div></section>`
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
