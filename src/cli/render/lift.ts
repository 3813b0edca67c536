/** How a lift went over time, and what could still be seen, for the terminal. */
import type { OutcomeEntry } from '../../report/document.ts'
import { between, date, difference, money, shownLift, whyNot } from '../../report/page/words.ts'
import { percent, signed } from '../../report/verdict.ts'
import type { Colors } from '../terminal.ts'
import { renderTable } from './table.ts'
import { grouped, printable } from './text.ts'

/** Looks that are shown; every one is in `--json`. */
const looksShown = 6

/** The confidence sequence of the primary outcome at some of its looks, the last one included. */
export function renderSeries({ series, measure, outcome }: OutcomeEntry, colors: Colors): readonly string[] {
  const right = (head: string) => ({ head, align: 'right' as const })
  const several = series.length > 1
  const rows = series.flatMap(({ arm, points }) =>
    spread(points).map(({ at, treated, withheld, lift }) => {
      const shown = shownLift(lift, measure)
      const figures = shown === undefined ? ['', whyNot(lift)] : [shown.text(shown.estimate), between(shown)]
      return [date(at), ...(several ? [printable(arm)] : []), grouped(treated), grouped(withheld), ...figures]
    }),
  )
  if (rows.length < 2) return []
  const columns = [
    ...[{ head: 'by' }, ...(several ? [{ head: 'arm' }] : []), right('treated'), right('withheld')],
    ...[right('lift'), { head: 'surely between' }],
  ]
  const title = `${outcome} over time; the intervals hold at all looks together`
  return ['', colors.dim(printable(title)), renderTable(columns, rows)]
}

function spread<Point>(points: readonly Point[]): readonly Point[] {
  if (points.length <= looksShown) return points
  const last = points.length - 1
  const chosen = Array.from({ length: looksShown }, (_, index) => Math.round((index * last) / (looksShown - 1)))
  return chosen.flatMap(index => points[index] ?? [])
}

/** Notes on what the experiment can see now and at its end. */
export function powerNotes({ power, measure, outcome, direction }: OutcomeEntry): readonly string[] {
  if (power === null) return []
  const { now, at_end: end } = power
  const sign = direction === 'up' ? 1 : -1
  const least = ({ absolute, relative }: { readonly absolute: number; readonly relative: number | null }) =>
    relative === null ? difference(measure, sign * absolute) : signed(percent(sign * relative))
  return [
    ...(now === null
      ? []
      : [`a lift in ${outcome} of ${least(now)} is noticed four times in five with the people so far`]),
    ...(end === null
      ? []
      : [`one of ${least(end)} by ${end.date}, with about ${grouped(end.people)} people at the pace so far`]),
  ]
}

/** Notes on those who were reached, and on money. */
export function worthNotes({ comparisons, measure, outcome }: OutcomeEntry): readonly string[] {
  const several = comparisons.length > 1
  return comparisons.flatMap(({ arm, worth }) => {
    if (worth === null) return []
    const {
      delivered_share: reached,
      on_reached: effect,
      cost,
      cost_per_incremental: price,
      value_per_incremental: values,
    } = worth
    const of = several ? ` (${arm})` : ''
    return [
      ...(reached === null || reached === 1 || effect?.kind !== 'estimated'
        ? []
        : [
            `${percent(reached)} of those treated were reached${of}: on them the effect is ${difference(measure, effect.estimate)}`,
          ]),
      ...(cost === null || price?.kind !== 'estimated'
        ? []
        : [
            `messages cost ${money(cost)}${of}: ${money(price.estimate)} for each "${outcome}" that would not have been, between ${money(price.lower)} and ${money(price.upper)}`,
          ]),
      ...values.flatMap(({ outcome: of, value }) =>
        value.kind === 'estimated'
          ? [
              `each "${outcome}" that would not have been brings ${money(value.estimate)} ${of}, between ${money(value.lower)} and ${money(value.upper)}`,
            ]
          : [],
      ),
    ]
  })
}
