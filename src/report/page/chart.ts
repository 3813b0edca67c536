/**
 * The two drawings of the report, as SVG that the server renders: a confidence sequence over time, and intervals side by side. Each is drawn
 * for a page and for a phone, because letters that shrink with the drawing cannot be read; the style sheet shows one of them.
 */
import { html } from 'hono/html'
import { linearScale } from './scale.ts'

export type Html = ReturnType<typeof html>

export interface TimePoint {
  /** Milliseconds. */
  readonly at: number
  readonly estimate: number
  /** Infinite where there is no bound. */
  readonly lower: number
  readonly upper: number
}

export interface Labels {
  /** Unique within the page: by it a drawing's title is found. */
  readonly id: string
  readonly title: string
  readonly description: string
  /** Of a value on the axis. */
  readonly value: (value: number) => string
}

function drawing(labels: Labels, height: number, draw: (width: number) => Html): Html {
  const sized = (look: 'wide' | 'narrow', width: number) => {
    const id = `${labels.id}-${look}`
    return html`<svg class="${look}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${labels.title}</title><desc id="${id}-d">${labels.description}</desc>${draw(width)}</svg>`
  }
  return html`<figure class="chart">${sized('wide', 900)}${sized('narrow', 340)}</figure>`
}

/**
 * The first looks are so unsure that they would flatten all the others: the axis is made for the later half, with room beyond it to see that the
 * rest goes on outside.
 */
function valueRange(points: readonly TimePoint[]): readonly [number, number] {
  const endsOf = (some: readonly TimePoint[]) =>
    some.flatMap(({ lower, upper, estimate }) => [lower, upper, estimate]).filter(Number.isFinite)
  const settled = endsOf(points.slice(Math.floor(points.length / 2)))
  const [low, high] = [Math.min(0, ...settled), Math.max(0, ...settled)]
  const room = (high - low) / 3
  const all = endsOf(points)
  return [Math.max(low - room, Math.min(low, ...all)), Math.min(high + room, Math.max(high, ...all))]
}

/** At least two points, oldest first. */
export function timeChart(points: readonly TimePoint[], labels: Labels): Html {
  const height = 300
  const [low, high] = valueRange(points)
  const [first, last] = [points[0]?.at ?? 0, points.at(-1)?.at ?? 1]
  return drawing(labels, height, width => {
    const wide = width > 500
    const [left, right, top, bottom] = [wide ? 66 : 64, width - (wide ? 14 : 8), 14, height - 32]
    const y = linearScale(low, high, bottom, top, 5)
    const x = (at: number) => Math.round((left + ((at - first) / Math.max(1, last - first)) * (right - left)) * 10) / 10
    const outline = [
      ...points.map(({ at, upper }) => `${x(at)},${y.place(upper)}`),
      ...points.toReversed().map(({ at, lower }) => `${x(at)},${y.place(lower)}`),
    ].join(' ')
    const line = points.map(({ at, estimate }) => `${x(at)},${y.place(estimate)}`).join(' ')
    const marks = dateMarks(first, last, wide ? 6 : 3)
    return html`${y.ticks.map(tick => html`<line class="${tick === 0 ? 'zero' : 'grid'}" x1="${left}" x2="${right}" y1="${y.place(tick)}" y2="${y.place(tick)}"/><text x="${left - 8}" y="${y.place(tick) + 4.5}" text-anchor="end">${labels.value(tick)}</text>`)}
<polygon class="band" points="${outline}"/><polyline class="line" points="${line}"/>
<circle class="dot" cx="${x(last)}" cy="${y.place(points.at(-1)?.estimate ?? 0)}" r="4"/>
${marks.map((at, index) => html`<text x="${x(at)}" y="${height - 8}" text-anchor="${anchorOf(index, marks.length)}">${shortDate(at, first, last)}</text>`)}`
  })
}

function dateMarks(first: number, last: number, count: number): readonly number[] {
  return last <= first
    ? [first]
    : Array.from({ length: count }, (_, index) => first + ((last - first) * index) / (count - 1))
}

function anchorOf(index: number, count: number): 'start' | 'middle' | 'end' {
  if (count > 1 && index === count - 1) return 'end'
  return index === 0 ? 'start' : 'middle'
}

function shortDate(at: number, first: number, last: number): string {
  const [year, month, day] = new Date(at).toISOString().slice(0, 10).split('-').map(Number)
  const name = months[(month ?? 1) - 1]
  return last - first > 300 * 86_400_000 ? `${name} ${year}` : `${day} ${name}`
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

export interface Bar {
  readonly name: string
  /** Undefined where there is no figure; `note` says why. */
  readonly effect: { readonly estimate: number; readonly lower: number; readonly upper: number } | undefined
  readonly note: string
}

const rowHeight = 30

/** One line for each, with its interval about a common zero. */
export function intervalChart(bars: readonly Bar[], labels: Labels): Html {
  const known = bars.flatMap(({ effect }) => effect ?? [])
  const ends = known.flatMap(({ lower, upper, estimate }) => [lower, upper, estimate]).filter(Number.isFinite)
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)]
  const height = bars.length * rowHeight + 30
  return drawing(labels, height, width => {
    const wide = width > 500
    const [left, right] = [wide ? 190 : 112, width - (wide ? 150 : 78)]
    const x = linearScale(low, high, left, right, wide ? 5 : 4)
    const zero = x.place(0)
    return html`${x.ticks.map(tick => html`<line class="${tick === 0 ? 'zero' : 'grid'}" x1="${x.place(tick)}" x2="${x.place(tick)}" y1="0" y2="${height - 26}"/>`)}
${spaced(x.ticks, x.place, wide ? 70 : 56).map(tick => html`<text x="${x.place(tick)}" y="${height - 8}" text-anchor="middle">${labels.value(tick)}</text>`)}
${bars.map((bar, index) => barRow(bar, { y: index * rowHeight + 17, width, wide, zero, left, place: x.place }))}`
  })
}

/** Zero, and as many of the others as have room for their name beside it. */
function spaced(ticks: readonly number[], place: (tick: number) => number, room: number): readonly number[] {
  const named = ticks.includes(0) ? [0] : []
  for (const tick of ticks) if (named.every(other => Math.abs(place(other) - place(tick)) >= room)) named.push(tick)
  return named
}

function barRow(
  { name, effect, note }: Bar,
  at: {
    readonly y: number
    readonly width: number
    readonly wide: boolean
    readonly zero: number
    readonly left: number
    readonly place: (value: number) => number
  },
): Html {
  const { y, width, wide, left, place } = at
  const label = html`<text class="strong" x="0" y="${y + 4.5}">${shortened(name, wide ? 25 : 14)}</text>`
  if (effect === undefined)
    return html`${label}<text x="${left + 4}" y="${y + 4.5}">${wide ? note : ''}</text><text x="${width}" y="${y + 4.5}" text-anchor="end">–</text>`
  const sure = effect.lower > 0 || effect.upper < 0
  return html`${label}<line class="range ${sure ? '' : 'faint'}" x1="${place(effect.lower)}" x2="${place(effect.upper)}" y1="${y}" y2="${y}"/>
<circle class="dot" cx="${place(effect.estimate)}" cy="${y}" r="5"/><text class="strong" x="${width}" y="${y + 4.5}" text-anchor="end">${note}</text>`
}

function shortened(text: string, length: number): string {
  const letters = [...text]
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join('')}…`
}
