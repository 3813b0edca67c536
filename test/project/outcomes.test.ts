import { expect, test } from 'vitest'
import { assembleProject } from '../../src/project/assemble.ts'
import { experimentsOf } from '../../src/report/experiment.ts'

const project = `
name: programme
policies:
  holdouts:
    - { name: global, share: 5%, epoch: 2026H1, salt: g, applies_to: communications, expires: "2026-07-01" }
destinations: { mails: { type: file, path: out, format: csv } }
`
const sync = (more: string) =>
  `{ model: people, destination: mails, action: write, mode: trigger, trigger: { on: enter, reentry: never, first_run: send }, channel: email, purpose: p${more} }`

function assemble(outcomes: Readonly<Record<string, string>>) {
  const file = (path: string, text: string) => ({ path, text })
  return assembleProject(
    {
      project: file('activate.yml', project),
      models: [
        file('models/people.sql', '/*---\nkey: id\n---*/\nselect 1 as id'),
        file('models/orders.sql', 'select 1'),
      ],
      partials: [],
      syncs: [
        file('syncs/own.yml', sync(', holdout: { share: 10%, epoch: "1", salt: own }')),
        file('syncs/other.yml', sync('')),
      ],
      outcomes: Object.entries(outcomes).map(([name, text]) => file(`outcomes/${name}.yml`, text)),
    },
    { root: '/', target: 'default', resolve: relative => `/${relative}` },
  )
}

const problems = (outcomes: Readonly<Record<string, string>>) =>
  assemble(outcomes).problems.map(({ code, place }) => `${code} ${place?.file}:${place?.line}`)

test('an outcome is read with its defaults', () => {
  const { project: read } = assemble({
    spent:
      'model: orders\nat: paid_at\nvalue: amount\nwindow: 30d\ncap: 500\ncovariate: { before: 90d }\nsyncs: { own: primary }',
  })
  expect(read?.outcomes[0]).toMatchObject({
    ...{ name: 'spent', at: 'paid_at', value: 'amount', window: 30 * 86_400_000, covariate: 90 * 86_400_000, cap: 500 },
    ...{ direction: 'up', plannedUnits: 10_000, syncs: { own: 'primary' }, holdouts: {} },
  })
})

test.each([
  ['a model that is not there', { a: 'model: order\nat: t\nwindow: 1d' }, ['A1111 outcomes/a.yml:1']],
  [
    'a sync that is not there',
    { a: 'model: orders\nat: t\nwindow: 1d\nsyncs: { owned: primary }' },
    ['A1197 outcomes/a.yml:4'],
  ],
  [
    'a holdout that is not there',
    { a: 'model: orders\nat: t\nwindow: 1d\nholdouts: { own: primary }' },
    ['A1197 outcomes/a.yml:4'],
  ],
  ['a cap of nothing', { a: 'model: orders\nat: t\nwindow: 1d\ncap: 5' }, ['A1198 outcomes/a.yml:4']],
  ['a window of nothing', { a: 'model: orders\nat: t\nwindow: 0d' }, ['A1198 outcomes/a.yml:3']],
  ['a role that is none', { a: 'model: orders\nat: t\nwindow: 1d\nsyncs: { own: main }' }, ['A1107 outcomes/a.yml:4']],
  [
    'a second primary outcome',
    {
      a: 'model: orders\nat: t\nwindow: 1d\nsyncs: { own: primary }',
      b: 'model: orders\nat: t\nwindow: 2d\nsyncs: { own: primary }',
    },
    ['A1196 outcomes/b.yml:4'],
  ],
])('an outcome with %s is refused', (_, outcomes, expected) => {
  expect(problems(outcomes)).toEqual(expected)
})

test('a sync is measured by its own holdout, and by a shared one when an outcome names it', () => {
  const { project: read } = assemble({
    a: 'model: orders\nat: t\nwindow: 1d\nsyncs: { own: guardrail, other: primary }\nholdouts: { global: secondary }',
    b: 'model: orders\nat: t\nwindow: 1d\nsyncs: { own: primary }',
  })
  if (read === undefined) throw new Error('not read')
  const described = experimentsOf(read, '2026-03-01').map(({ sync: name, holdout, shared, ended, outcomes }) => [
    ...[name, holdout.name, shared, ended],
    outcomes.map(({ outcome, role }) => `${outcome.name} ${role}`).join(', '),
  ])
  expect(described).toEqual([
    [undefined, 'global', true, false, 'a secondary'],
    ['own', 'own', false, false, 'b primary, a guardrail'],
    ['other', 'global', true, false, 'a primary'],
  ])
  expect(experimentsOf(read, '2026-07-01').map(({ ended }) => ended)).toEqual([true, false, true])
})
