import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { renderReport } from '../../../src/cli/render/report.ts'
import type { Outcome } from '../../../src/project/outcomes.ts'
import type { Experiment } from '../../../src/report/experiment.ts'
import { assembleReport, type ExperimentRows } from '../../../src/report/report.ts'

const plain = picocolors.createColors(false)
const day = 86_400_000
const place = { file: 'outcomes/renewed.yml', line: 1, column: 1 }

const outcome: Outcome = {
  ...{
    name: 'renewed',
    path: place.file,
    model: 'renewals',
    at: 'renewed_at',
    window: 45 * day,
    direction: 'up' as const,
  },
  ...{ plannedUnits: 20_000, syncs: {}, holdouts: {}, place, places: {} },
}

const experiment: Experiment = {
  sync: 'renewal_due',
  holdout: { name: 'renewal_due', share: 0.05, epoch: '2026H1', salt: 's', appliesTo: 'all', place },
  ...{ shared: false, ended: false },
  outcomes: [{ outcome, role: 'primary' }],
}

const centred = (n: number, x: number) => ({ n, non_zero: x, sum_y: x, sum_x: 0, myy: x * (1 - x / n), myyy: 0 })

const rows: ExperimentRows = {
  experiment,
  units: [
    { arm: 'treated', n: 19_100, mixed: 0, first_at: '2026-01-01T00:00:00Z', last_at: '2026-04-01T00:00:00Z' },
    { arm: 'withheld', n: 1000, mixed: 2, first_at: '2026-01-01T00:00:00Z', last_at: '2026-04-01T00:00:00Z' },
  ],
  delivered: [{ arm: 'treated', n: 19_100, delivered: 18_000 }],
  assignments: [
    { share: 0.05, recorded: 'treated', drawn: 'treated', n: 19_100 },
    { share: 0.05, recorded: 'withheld', drawn: 'withheld', n: 1000 },
  ],
  reached: 0,
  outcomes: [
    {
      measured: { outcome, role: 'primary' },
      events: { n: 8000, nobody: 0, undated: 3, unusable: 0, repeated: 12 },
      aggregates: [
        { arm: 'treated', ...centred(19_000, 7239) },
        { arm: 'withheld', ...centred(1000, 320) },
      ],
    },
  ],
}

const asOf = Date.parse('2026-06-01T00:00:00Z')

test('a report is a verdict, its figures, and what is to be known about them', () => {
  expect(renderReport(assembleReport([rows], asOf), plain)).toBe(
    [
      'as of 2026-06-01 00:00Z; only people whose window is over are counted',
      '',
      'renewal_due',
      'epoch 2026H1 · 5.0 % withheld · running · 19,100 people treated, 1,000 people withheld',
      'keep: it works. "renewed" is 38.1 % with it and 32.0 % without: +19.1 % (between +3.7 % and +37.9 %)',
      '',
      'outcome            treated  withheld  with it  without  difference     lift  between                  p',
      'renewed (primary)   19,000     1,000   38.1 %   32.0 %     +6.1 pp  +19.1 %  +3.7 % and +37.9 %  0.0038',
      '- the draw of 20,100 people was computed again, and is right; arms as large as they were drawn (p = 0.87)',
      '- 100 people still within the 45d of renewed',
      '- rows of renewed that do not count: 3 undated, 12 repeated',
      '- a lift in renewed of +18.9 % is noticed four times in five with the people so far',
      '- 2 people with exposures in more than one arm, counted by the first',
    ].join('\n'),
  )
})

test('where nothing is withheld it says how to begin', () => {
  expect(renderReport(assembleReport([], asOf), plain)).toContain('give a sync a holdout')
})

test('names from a file cannot steer the terminal', () => {
  const hostile = { ...experiment, holdout: { ...experiment.holdout, epoch: '\u001b[31mred\u0007' } }
  expect(renderReport(assembleReport([{ ...rows, experiment: hostile }], asOf), plain)).not.toContain('\u001b')
})

test('as a document it is JSON without a number that JSON cannot hold', () => {
  const nobody = {
    ...rows,
    units: [],
    assignments: [],
    outcomes: rows.outcomes.map(each => ({ ...each, aggregates: [] })),
  }
  const document = assembleReport([rows, nobody], asOf)
  expect(JSON.parse(JSON.stringify(document))).toEqual(document)
  expect(document.experiments[1]?.verdicts).toMatchObject([{ advice: 'nothing_to_measure' }])
  const [first] = document.experiments[0]?.outcomes[0]?.comparisons ?? []
  expect(first?.p_holm).toBe(first?.lift.kind === 'estimated' ? first.lift.p_value : undefined)
})
