/**
 * The report as one file that needs nothing else: no script, no font, no picture from elsewhere. `html` of hono escapes every value. Pure.
 */
import { html, raw } from 'hono/html'
import type { ExperimentEntry, ReportDocument } from '../document.ts'
import type { Html } from './chart.ts'
import { experimentSection, tagOf, titleOf } from './experiment-section.ts'
import { healthSection } from './health-section.ts'
import { pageStyle } from './style.ts'
import { table } from './table.ts'
import { between, date, number, shownLift, whyNot } from './words.ts'

export function renderReportPage(report: ReportDocument, project: string): string {
  const { experiments, health, as_of: asOf } = report
  const title = `What was it worth: ${project}, ${date(asOf)}`
  return unbroken(
    String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${raw(pageStyle)}</style>
</head>
<body>
<header>
<h1>What was it worth?</h1>
<p>${project}, as of ${asOf.slice(0, 16).replace('T', ' ')} UTC. Of everybody who was due, some got nothing, by a draw. What they did without it is what the others are compared with.</p>
</header>
<main>
${overview(experiments)}
${experiments.map((entry, index) => experimentSection(entry, `experiment-${index + 1}`))}
${health === null ? '' : healthSection(health)}
</main>
${footer()}
</body>
</html>
`),
  )
}

/** A number and its unit stay on one line. */
function unbroken(page: string): string {
  return page.replaceAll(/(?<=\d) (?=(?:%|pp)(?!\w))/g, '\u00a0')
}

function overview(experiments: readonly ExperimentEntry[]): Html {
  if (experiments.length === 0)
    return html`<section><h2>Nothing is withheld</h2><p>Give a sync a <code>holdout</code>, or activate.yml a shared one, to learn what it is worth.</p></section>`
  const columns = [
    { name: 'Programme' },
    { name: 'What to do' },
    { name: 'Lift', numeric: true },
    { name: 'Between' },
    { name: 'People', numeric: true },
  ]
  const rows = experiments.flatMap((entry, index) =>
    entry.verdicts.map(({ arm, advice }) => {
      const primary = entry.outcomes.find(({ role }) => role === 'primary')
      const comparison = primary?.comparisons.find(each => each.arm === arm)
      const shown =
        primary === undefined || comparison === undefined ? undefined : shownLift(comparison.lift, primary.measure)
      const people = entry.arms.reduce((sum, { people: n }) => sum + n, 0)
      const several = entry.verdicts.length > 1 ? `: ${arm}` : ''
      return [
        html`<a href="#experiment-${index + 1}">${titleOf(entry)}</a>${several}`,
        tagOf(advice),
        shown === undefined ? '–' : shown.text(shown.estimate),
        shown === undefined ? (comparison === undefined ? '' : whyNot(comparison.lift)) : between(shown),
        number(people),
      ]
    }),
  )
  return html`<section aria-labelledby="overview"><h2 id="overview">In short</h2>${table('', columns, rows)}</section>`
}

/** The words that a reader may meet for the first time. */
function footer(): Html {
  return html`<footer><dl>
<dt>Lift</dt><dd>How much more (or less) people did because of it, relative to those who got nothing.</dd>
<dt>Between</dt><dd>The true lift lies between these two in 95 of 100 experiments. While an experiment runs, that holds for all looks at it together.</dd>
<dt>Window</dt><dd>How long after a person’s first trigger outcomes count. Nobody is counted before their window is over.</dd>
<dt>p</dt><dd>How easily chance alone could have made such a difference; below 0.05 it is taken for real.</dd>
</dl></footer>`
}
