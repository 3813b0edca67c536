/** What experiments can show and when, below the plans of a dry run. */

import type { ForecastEntry } from '../../report/forecast.ts'
import { mean } from '../../report/page/words.ts'
import { percent, signed } from '../../report/verdict.ts'
import type { Colors } from '../terminal.ts'
import { counted, grouped, printable } from './text.ts'

const sources = {
  exposures: 'as in the last weeks',
  decisions: 'as in the last weeks, before there was a holdout',
  tonight: 'tonight',
} as const

export function renderForecasts(entries: readonly ForecastEntry[], colors: Colors): string {
  return entries.map(entry => renderForecast(entry, colors)).join('\n')
}

function renderForecast(entry: ForecastEntry, colors: Colors): string {
  const { sync, holdout, outcome, window, baseline, measure, reach, decided_in_weeks: weeks, warnings } = entry
  const by = holdout === sync ? '' : ` by holdout ${holdout}`
  const judged = outcome === null ? '' : `, judged by ${outcome} within ${window}`
  const sign = entry.direction === 'up' ? 1 : -1
  const pace =
    entry.people_per_week === null
      ? `${counted(entry.people_tonight, 'person', 'people')} tonight`
      : `about ${counted(Math.round(entry.people_per_week), 'person', 'people')} a week, ${sources[entry.people_from]}`
  const without =
    baseline === null || measure === null
      ? []
      : [
          `without it ${mean(measure, baseline.mean)} (${grouped(baseline.people)} ${baseline.from === 'withheld' ? 'withheld people' : 'people of the model'})`,
        ]
  const seen = reach.flatMap(({ weeks: after, relative }) =>
    relative === null ? [] : [`${signed(percent(sign * relative))} after ${after} weeks`],
  )
  return [
    `${colors.bold(printable(sync))}${printable(`${by}: ${percent(entry.share)} withheld${judged}`)}`,
    `  ${[pace, ...without].join('; ')}`,
    ...(seen.length === 0 ? [] : [`  least lift that is noticed four times in five: ${seen.join(', ')}`]),
    ...(weeks === null
      ? []
      : [
          `  a lift of ${signed(percent(sign * entry.least_lift))} can be decided in about ${counted(weeks, 'week')}, the window included`,
        ]),
    ...warnings.map(warning => `  ${colors.yellow('warning')}   ${printable(warning)}`),
  ].join('\n')
}
