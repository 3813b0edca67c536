/** One experiment on the page: what to do, the figures that it rests on, and what speaks against them. */
import { html } from 'hono/html'
import type { ComparisonEntry, ExperimentEntry, OutcomeEntry } from '../document.ts'
import type { Advice } from '../verdict.ts'
import type { Html } from './chart.ts'
import { cohortSection, noveltySection, powerSection, segmentSection, timeSection } from './effect-sections.ts'
import { funnelSection } from './funnel-section.ts'
import { table, tiles } from './table.ts'
import { between, chance, date, difference, mean, money, number, people, share, shownLift, whyNot } from './words.ts'

const headline: Readonly<Record<Advice, string>> = {
  keep: 'Keep it',
  stop: 'Stop it',
  wait: 'Wait',
  unclear: 'No difference was found',
  unreliable: 'Do not rely on these figures',
  unmeasured: 'Could not be measured',
  nothing_to_measure: 'Nothing to measure yet',
}

export function tagOf(advice: Advice): Html {
  return html`<span class="tag ${advice}">${headline[advice]}</span>`
}

/** What the section is called, and how the list at the top points to it. */
export function titleOf({ sync, holdout }: ExperimentEntry): string {
  if (sync === null) return `Everything that holdout ${holdout} withholds`
  return sync === holdout ? sync : `${sync}, by holdout ${holdout}`
}

export function experimentSection(entry: ExperimentEntry, id: string): Html {
  const { outcomes, funnel } = entry
  const primary = outcomes.find(({ role }) => role === 'primary')
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${titleOf(entry)}</h2>
<p class="facts">${factsOf(entry)}</p>
${entry.verdicts.map(verdict => verdictBand(verdict, entry.verdicts.length > 1))}
${primary === undefined ? '' : headFigures(primary)}
${primary === undefined ? '' : html`${timeSection(primary, `${id}-time`)}${powerSection(primary, entry)}`}
${outcomes.length === 0 ? '' : outcomesTable(outcomes)}
${primary === undefined ? '' : html`${worthSection(primary)}${cohortSection(primary, `${id}-cohorts`)}${segmentSection(primary, `${id}-segments`)}${noveltySection(primary, `${id}-novelty`)}`}
${funnel === null ? '' : funnelSection(funnel)}
${checksSection(entry)}
</section>`
}

function factsOf({ arms, epoch, share: withheld, status, first_at: first, shared, sync }: ExperimentEntry): string {
  const sizes = arms.map(({ arm, people: n }) => `${number(n)} ${arm}`).join(', ')
  return [
    `Epoch ${epoch}`,
    `${share(withheld)} of people get nothing, to compare with`,
    status === 'ended' ? 'the experiment has ended' : 'running',
    ...(sizes === '' ? [] : [`people: ${sizes}`]),
    ...(first === null ? [] : [`since ${date(first)}`]),
    ...(shared && sync !== null ? ['whoever is withheld here gets none of the other syncs either'] : []),
  ].join(' · ')
}

/** `keep: it works. …` as a headline and a sentence. */
function verdictBand({ arm, advice, text }: ExperimentEntry['verdicts'][number], several: boolean): Html {
  const said = text.replace(/^(keep|stop|do not rely on these figures): /, '')
  const [, until, rest] = /^(wait(?:[^.:]*?))(?:[.:] |$)(.*)$/s.exec(said) ?? []
  const title = until === undefined ? headline[advice] : capital(until)
  const why = capital(until === undefined ? said : (rest ?? ''))
  return html`<div class="verdict ${advice}"><p class="say">${several ? `${arm}: ` : ''}${title}</p>${why === '' ? '' : html`<p class="why">${why.endsWith('.') ? why : `${why}.`}</p>`}</div>`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function headFigures(primary: OutcomeEntry): Html {
  return html`${primary.comparisons.map(comparison => {
    const { treated, withheld, lift } = comparison
    const shown = shownLift(lift, primary.measure)
    const several = primary.comparisons.length > 1 ? `, ${comparison.arm}` : ''
    return tiles([
      {
        name: `${primary.outcome} with it${several}`,
        value: mean(primary.measure, treated.mean),
        note: people(treated.people),
      },
      { name: 'without it', value: mean(primary.measure, withheld.mean), note: people(withheld.people) },
      shown === undefined
        ? { name: 'lift', value: '–', note: whyNot(lift) }
        : { name: 'lift', value: shown.text(shown.estimate), note: between(shown) },
      ...incrementalTile(comparison, primary),
    ])
  })}`
}

function incrementalTile({ lift }: ComparisonEntry, { measure, outcome }: OutcomeEntry) {
  const name = measure === 'share' ? `more "${outcome}" because of it` : `more ${outcome} in total because of it`
  if (lift.kind !== 'estimated') return [{ name, value: '–' }]
  // What a quotient is a share of changes with it, so that there is no total.
  if (lift.incremental === null) return []
  const { estimate, lower, upper } = lift.incremental
  const whole = (value: number | null) => (value === null ? 'no bound' : number(value).replace('-', '−'))
  return [{ name, value: whole(estimate), note: `between ${whole(lower)} and ${whole(upper)}` }]
}

function outcomesTable(outcomes: readonly OutcomeEntry[]): Html {
  const several = outcomes.some(({ comparisons }) => comparisons.length > 1)
  const columns = [
    { name: 'Outcome' },
    ...(several ? [{ name: 'Arm' }] : []),
    { name: 'With it', numeric: true },
    { name: 'Without', numeric: true },
    { name: 'Difference', numeric: true },
    { name: 'Lift', numeric: true },
    { name: 'Between' },
    { name: 'p', numeric: true },
  ]
  const measured = outcomes.filter(({ problems }) => problems.length === 0)
  if (measured.length === 0) return html``
  const rows = measured.flatMap(outcome =>
    outcome.comparisons.map(comparison => [
      html`${outcome.outcome} <span class="unknown">${outcome.role}, within ${outcome.window}</span>`,
      ...(several ? [comparison.arm] : []),
      mean(outcome.measure, comparison.treated.mean),
      mean(outcome.measure, comparison.withheld.mean),
      ...liftCells(comparison, outcome),
    ]),
  )
  return html`<h3>Every outcome</h3>${table('What people did with it and without it, each counted once, by their first trigger', columns, rows)}`
}

function liftCells({ lift }: ComparisonEntry, { measure }: OutcomeEntry): readonly (string | Html)[] {
  const shown = shownLift(lift, measure)
  if (lift.kind !== 'estimated' || shown === undefined)
    return ['', '', html`<span class="unknown">${whyNot(lift)}</span>`, '']
  const relative = lift.relative.kind === 'estimated' ? shown.text(shown.estimate) : ''
  return [difference(measure, lift.absolute.estimate), relative, between(shown), chance(lift.p_value)]
}

function worthSection(primary: OutcomeEntry): Html {
  const quotient = primary.measure === 'ratio' ? 'a quotient is of nobody in particular' : undefined
  const rows = primary.comparisons.flatMap(({ arm, worth, lift }) => {
    if (worth === null) return []
    const { on_reached: reached, cost_per_incremental: price } = worth
    const onReached =
      reached === null
        ? (quotient ?? whyNot(lift))
        : reached.kind === 'estimated'
          ? `${difference(primary.measure, reached.estimate)} (between ${reached.lower === null ? 'no bound' : difference(primary.measure, reached.lower)} and ${reached.upper === null ? 'no bound' : difference(primary.measure, reached.upper)})`
          : whyNot(reached)
    const costEach =
      price === null
        ? worth.cost === null
          ? 'not known: no sync says what a message costs'
          : (quotient ?? whyNot(lift))
        : price.kind === 'estimated'
          ? `${money(price.estimate)} (between ${money(price.lower)} and ${money(price.upper)})`
          : whyNot(price)
    return [[arm, share(worth.delivered_share), onReached, worth.cost === null ? '–' : number(worth.cost), costEach]]
  })
  if (rows.length === 0) return html``
  const columns = [
    { name: 'Arm' },
    { name: 'Reached', numeric: true },
    { name: 'Effect on those reached' },
    { name: 'Cost', numeric: true },
    { name: `Cost of each ${primary.direction === 'up' ? 'gained' : 'prevented'}` },
  ]
  const brings = primary.comparisons.flatMap(({ arm, worth }) =>
    (worth?.value_per_incremental ?? []).map(({ outcome, value }) => {
      const several = primary.comparisons.length > 1 ? ` (${arm})` : ''
      const said =
        value.kind === 'estimated'
          ? `${money(value.estimate)} (between ${money(value.lower)} and ${money(value.upper)})`
          : `not known: ${whyNot(value)}`
      return html`<p class="note">${outcome} for each "${primary.outcome}" that would not have been${several}: ${said}</p>`
    }),
  )
  return html`<h3>What it took</h3>${brings}${table(`What messages within the window reached and cost, and each "${primary.outcome}" that would not have been`, columns, rows)}`
}

function checksSection({ checks, outcomes }: ExperimentEntry): Html {
  const { assignment, sample_ratio: ratio, findings, mixed, reached } = checks
  const lines: readonly { readonly look: 'ok' | 'alarm' | 'warning' | 'info'; readonly text: string }[] = [
    ...findings.map(({ severity, text }) => ({ look: severity, text })),
    ...outcomes.flatMap(({ outcome, problems }) =>
      problems.map(({ code, message }) => ({
        look: 'warning' as const,
        text: `${outcome} could not be measured: ${message} (${code})`,
      })),
    ),
    ...(assignment.verdict === 'exact'
      ? [
          {
            look: 'ok' as const,
            text: `The draw of ${people(assignment.people)} was computed again: everybody is where they belong`,
          },
        ]
      : []),
    ...(ratio.verdict === 'plausible'
      ? [
          {
            look: 'ok' as const,
            text: `The arms are as large as they were drawn${ratio.p_value === null ? '' : ` (p = ${ratio.p_value.toFixed(2)})`}`,
          },
        ]
      : []),
    ...(reached === 0 ? [{ look: 'ok' as const, text: 'No message reached anybody who was withheld' }] : []),
    ...outcomes
      .filter(({ open }) => open > 0)
      .map(({ open, window, outcome }) => ({
        look: 'info' as const,
        text: `${people(open)} still within the ${window} of ${outcome}, and not counted yet`,
      })),
    ...outcomes.flatMap(({ hints }) => hints.map(text => ({ look: 'info' as const, text }))),
    ...outcomes.flatMap(({ outcome, rows }) => {
      const left = (['nobody', 'undated', 'unusable', 'repeated'] as const).filter(why => rows[why] > 0)
      const parts = left.map(why => `${number(rows[why])} ${why}`)
      return parts.length === 0
        ? []
        : [{ look: 'info' as const, text: `Rows of ${outcome} that do not count: ${parts.join(', ')}` }]
    }),
    ...(mixed > 0
      ? [
          {
            look: 'info' as const,
            text: `${people(mixed)} with exposures in more than one arm, counted by the first`,
          },
        ]
      : []),
  ]
  return html`<h3>Can it be believed?</h3><ul>${lines.map(({ look, text }) => html`<li class="${look}">${capital(text)}</li>`)}</ul>`
}
