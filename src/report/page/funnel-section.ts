/** From those who may not take part to what was acknowledged: a table whose bars can be compared. */
import { html } from 'hono/html'
import type { Funnel, ReasonCount } from '../funnel.ts'
import type { Html } from './chart.ts'
import { date, number } from './words.ts'

/** Reasons that are named; the rest is one line. */
const mostReasons = 4

/** `holdout.renewal_due` goes on in the next line after a dot or an underscore, rather than anywhere. */
function breakable(reason: string): Html {
  return html`${reason.split(/(?<=[._])/).map((part, index) => (index === 0 ? part : html`<wbr>${part}`))}`
}

export function funnelSection(funnel: Funnel): Html {
  const { due, ineligible, since } = funnel
  const most = Math.max(1, due, ineligible)
  const step = (name: string, n: number, look: 'bar' | 'bar dim' = 'bar') =>
    html`<tr><th scope="row">${name}</th><td><span class="${look}" style="width:${((100 * n) / most).toFixed(1)}%"></span></td><td class="num">${number(n)}</td></tr>`
  const because = (reasons: readonly ReasonCount[]) => {
    const [shown, rest] = [reasons.slice(0, mostReasons), reasons.slice(mostReasons)]
    const others = rest.reduce((sum, { n }) => sum + n, 0)
    const lines = others === 0 ? shown : [...shown, { reason: `${rest.length} other reasons`, n: others }]
    return html`${lines.map(({ reason, n }) => html`<tr class="sub"><th scope="row">${breakable(reason)}</th><td></td><td class="num">${number(n)}</td></tr>`)}`
  }
  const some = (name: string, n: number, reasons: readonly ReasonCount[]) =>
    n === 0 ? '' : html`${step(name, n, 'bar dim')}${because(reasons)}`
  const ends = [
    ['acknowledged', funnel.acked, 'bar'],
    ['refused', funnel.rejected, 'bar dim'],
    ['may or may not have arrived', funnel.parked, 'bar dim'],
    ['left for the next run', funnel.pending, 'bar dim'],
  ] as const
  return html`<h3>From eligible to acknowledged</h3>
<table class="steps"><caption>${since === null ? 'Nothing was decided yet' : `Every change that was decided about since ${date(since)}; what waits is counted once`}</caption>
<thead><tr><th scope="col">Step</th><th scope="col"></th><th scope="col" class="num">Changes</th></tr></thead><tbody>
${some('may not take part now', ineligible, funnel.ineligible_reasons)}${step('were due', due)}
${some('withheld', funnel.withheld, funnel.withheld_reasons)}${some('nothing to say', funnel.skipped, funnel.skipped_reasons)}${some('waiting', funnel.waiting, funnel.waiting_reasons)}
${step('sent', funnel.sent)}${ends.filter(([name, n]) => n > 0 || name === 'acknowledged').map(([name, n, look]) => step(name, n, look))}</tbody></table>`
}
