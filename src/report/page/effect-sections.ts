/** One outcome in drawings: over time, by when people were exposed, by segment, by which trigger; and what could still be seen. */
import { html } from 'hono/html'
import type { PartEntry, SeriesPoint } from '../breakdown.ts'
import type { ExperimentEntry, OutcomeEntry } from '../document.ts'
import { percent, signed } from '../verdict.ts'
import { type Bar, type Html, intervalChart, type TimePoint, timeChart } from './chart.ts'
import { asTable, table } from './table.ts'
import { between, bounded, date, difference, type Measure, mean, number, shownLift, whyNot } from './words.ts'

/** Relative lifts where every part has one, differences elsewhere: one axis has one unit. */
function isRelative(lifts: readonly SeriesPoint['lift'][]): boolean {
  const known = lifts.filter(lift => lift.kind === 'estimated')
  return known.length > 0 && known.every(({ relative }) => relative.kind === 'estimated')
}

function effectOf(lift: SeriesPoint['lift'], relative: boolean) {
  if (lift.kind !== 'estimated') return undefined
  if (!relative) return bounded(lift.absolute)
  return lift.relative.kind === 'estimated' ? bounded(lift.relative) : undefined
}

function axis(measure: Measure, relative: boolean): (value: number) => string {
  const plain = (text: string) => text.replace(/\.0+ /, ' ').replace(/(\.\d*?)0+ /, '$1 ')
  if (relative) return value => (value === 0 ? '0' : plain(signed(`${(value * 100).toFixed(2)} %`)))
  if (measure === 'share') return value => (value === 0 ? '0' : plain(signed(`${(value * 100).toFixed(2)} pp`)))
  return value => (value === 0 ? '0' : signed(String(value)))
}

/** How the lift went; one drawing for each treated arm. */
export function timeSection({ series, outcome, measure }: OutcomeEntry, id: string): Html {
  if (series.length === 0) return html``
  return html`<h3>The lift over time</h3><p class="note">${outcome}: everybody whose window was over by then. The shaded band holds the true lift with 95 % certainty on all days at once, so you may look whenever you like. Once it has stood clear of zero, there is a lift.</p>${series.map(
    (each, index) => {
      const relative = isRelative(each.points.map(({ lift }) => lift))
      const points = each.points.flatMap((point): readonly TimePoint[] => {
        const effect = effectOf(point.lift, relative)
        return effect === undefined ? [] : [{ at: Date.parse(point.at), ...effect }]
      })
      const several = series.length > 1 ? html`<p class="facts">${each.arm}</p>` : ''
      const figures = seriesTable(each.points, measure)
      if (points.length < 2)
        return html`${several}<p class="unknown">There is no line yet: ${lastReason(each.points)}.</p>${asTable(figures)}`
      const last = each.points.at(-1)
      const shown = last === undefined ? undefined : shownLift(last.lift, measure)
      const labels = {
        id: `${id}-${index}`,
        title: `Lift in ${outcome} over time`,
        description:
          shown === undefined
            ? 'See the table.'
            : `At the end ${shown.text(shown.estimate)}, surely ${between(shown)}.`,
        value: axis(measure, relative),
      }
      return html`${several}${timeChart(points, labels)}${asTable(figures)}`
    },
  )}`
}

function lastReason(points: readonly SeriesPoint[]): string {
  const last = points.at(-1)
  if (last === undefined) return 'nobody is counted yet'
  return last.lift.kind === 'estimated' ? 'there is one look so far' : whyNot(last.lift)
}

function seriesTable(points: readonly SeriesPoint[], measure: Measure): Html {
  const columns = [
    { name: 'By' },
    { name: 'Treated', numeric: true },
    { name: 'Withheld', numeric: true },
    { name: 'Lift', numeric: true },
    { name: 'Between' },
  ]
  const rows = points.map(({ at, treated, withheld, lift }) => {
    const shown = shownLift(lift, measure)
    const figures = shown === undefined ? ['–', whyNot(lift)] : [shown.text(shown.estimate), between(shown)]
    return [date(at), number(treated), number(withheld), ...figures]
  })
  return table('The lift of everybody whose window was over by then', columns, rows)
}

export function cohortSection({ cohorts, measure, outcome }: OutcomeEntry, id: string): Html {
  const note =
    'By when people were first exposed. A real effect shows in most of them; one that lives in a single cohort asks for a second look.'
  return partsSection('By cohort', note, cohorts, measure, { id, title: `Lift in ${outcome} by cohort` })
}

export function segmentSection({ segments, measure, outcome }: OutcomeEntry, id: string): Html {
  const named = segments.map(segment => ({ ...segment, part: segment.part === '' ? '(none)' : segment.part }))
  const note =
    'By what was recorded of people when they were drawn. Look for where to go on, not for proof: many segments are looked at.'
  return partsSection('By segment', note, named, measure, { id, title: `Lift in ${outcome} by segment` })
}

function partsSection(
  heading: string,
  note: string,
  parts: readonly PartEntry[],
  measure: Measure,
  { id, title }: { readonly id: string; readonly title: string },
): Html {
  if (parts.length === 0) return html``
  const relative = isRelative(parts.map(({ lift }) => lift))
  const value = axis(measure, relative)
  const several = new Set(parts.map(({ arm }) => arm)).size > 1
  const nameOf = ({ part, arm }: PartEntry) => (several ? `${part}, ${arm}` : part)
  const bars = parts.map((part): Bar => {
    const effect = effectOf(part.lift, relative)
    const text = (estimate: number) => (relative ? signed(percent(estimate)) : difference(measure, estimate))
    return { name: nameOf(part), effect, note: effect === undefined ? whyNot(part.lift) : text(effect.estimate) }
  })
  const known = bars.filter(({ effect }) => effect !== undefined).length
  const columns = [
    { name: 'Part' },
    { name: 'People', numeric: true },
    { name: 'With it', numeric: true },
    { name: 'Without', numeric: true },
    { name: 'Lift', numeric: true },
    { name: 'Between' },
  ]
  const rows = parts.map(part => {
    const shown = shownLift(part.lift, measure)
    const people = number(part.treated.people + part.withheld.people)
    const figures = shown === undefined ? ['–', whyNot(part.lift)] : [shown.text(shown.estimate), between(shown)]
    return [nameOf(part), people, mean(measure, part.treated.mean), mean(measure, part.withheld.mean), ...figures]
  })
  const figures = table(`${title}, intervals at a risk divided by ${parts.length}`, columns, rows)
  const description = `${known} of ${parts.length} have enough people for a figure; the table has them.`
  return html`<h3>${heading}</h3><p class="note">${note}</p>${known === 0 ? html`<p class="unknown">Too few people in each so far.</p>` : intervalChart(bars, { id, title, description, value })}${asTable(figures)}`
}

export function noveltySection({ novelty, measure, outcome }: OutcomeEntry, id: string): Html {
  if (novelty === null) return html``
  const { by_trigger: triggers, trend } = novelty
  const said = {
    fades: 'The effect wears off with each further trigger.',
    grows: 'The effect grows with each further trigger.',
    steady: 'No trend can be told from chance.',
  }
  const bars = triggers.map(({ nth, estimate, lower, upper }) => ({
    name: nth === 1 ? 'first trigger' : `trigger ${nth}`,
    effect: { estimate, lower, upper },
    note: difference(measure, estimate),
  }))
  const labels = {
    ...{ id, title: `Effect on ${outcome} by trigger`, value: axis(measure, false) },
    description: trend === null ? 'Two triggers so far.' : said[trend],
  }
  const rows = triggers.map(({ nth, people, estimate, lower, upper }) => [
    String(nth),
    number(people),
    difference(measure, estimate),
    `${difference(measure, lower)} to ${difference(measure, upper)}`,
  ])
  const columns = [
    { name: 'Trigger' },
    { name: 'People', numeric: true },
    { name: 'Difference', numeric: true },
    { name: 'Between' },
  ]
  return html`<h3>Does it wear off?</h3><p class="note">${trend === null ? 'Too few triggers to tell.' : said[trend]} Only the first trigger of a person is a fair comparison; this is a hint.</p>${intervalChart(bars, labels)}${asTable(table(`Effect on ${outcome} by which trigger of a person it was`, columns, rows))}`
}

/** What the experiment can still see: whether waiting is worth it. */
export function powerSection({ power, measure, outcome, direction }: OutcomeEntry, { status }: ExperimentEntry): Html {
  if (power === null) return html``
  const least = (reach: { readonly absolute: number; readonly relative: number | null }) => {
    const sign = direction === 'up' ? 1 : -1
    const moved = difference(measure, sign * reach.absolute)
    return reach.relative === null ? moved : `${signed(percent(sign * reach.relative))} (${moved})`
  }
  const { now, at_end: end, people_per_week: pace } = power
  const lines = [
    now === null
      ? `There are too few people yet to see any effect on ${outcome}.`
      : `With the ${number(now.people)} people who are counted, a lift of ${least(now)} or more is noticed four times in five; a smaller one may be there unseen.`,
    ...(end === null
      ? []
      : [
          `At the pace so far, about ${number(end.people)} people will be counted by ${end.date}: then ${least(end)} is enough.`,
        ]),
    ...(pace === null || status === 'ended' ? [] : [`About ${number(pace)} people a week come in.`]),
  ]
  return html`<h3>What can be seen</h3>${lines.map(line => html`<p>${line}</p>`)}`
}
