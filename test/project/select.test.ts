import { expect, test } from 'vitest'
import { ActivateError } from '../../src/project/problem.ts'
import { type Selection, selectSyncs } from '../../src/project/select.ts'
import { load } from './folder.ts'

const model = (tags = '[]') => `/*---\nkey: id\ntags: ${tags}\n---*/\nselect 1 as id`
const sync = (name: string, destination: string, tags: string) =>
  `model: ${name}\ndestination: ${destination}\naction: a\nmode: mirror\nfields: {}\ntags: ${tags}\n`

const project = await load({
  'activate.yml':
    'name: acme\nsources: { orders: { csv: o.csv }, users: { csv: u.csv } }\ndestinations: { crm: { type: crm }, mail: { type: messaging } }\n',
  'models/base/value.sql': model('[core]'),
  'models/at_risk.sql': model(),
  'models/renewal.sql': model(),
  'syncs/crm/at_risk_crm.yml': sync('at_risk', 'crm', '[nightly]'),
  'syncs/crm/value_crm.yml': sync('value', 'crm', '[nightly, finance]'),
  'syncs/mail/at_risk_mail.yml': sync('at_risk', 'mail', '[nightly]'),
  'syncs/mail/renewal_mail.yml': sync('renewal', 'mail', '[weekly]'),
})

const dependencies = { value: ['source:orders'], at_risk: ['value', 'source:users'], renewal: ['source:users'] }
const results = { at_risk_crm: 'failed', value_crm: 'succeeded', renewal_mail: 'partial' }
const all = ['at_risk_crm', 'value_crm', 'at_risk_mail', 'renewal_mail']

const names = (selection: Selection): string[] =>
  selectSyncs(project, { dependencies, results, ...selection }).map(({ name }) => name)

test.each([
  [['at_risk_crm'], ['at_risk_crm']],
  [['*_crm'], ['at_risk_crm', 'value_crm']],
  [['*'], all],
  [['tag:nightly'], ['at_risk_crm', 'value_crm', 'at_risk_mail']],
  [['tag:fin*'], ['value_crm']],
  [['model:at_risk'], ['at_risk_crm', 'at_risk_mail']],
  [['destination:mail'], ['at_risk_mail', 'renewal_mail']],
  [['path:syncs/crm'], ['at_risk_crm', 'value_crm']],
  [['path:syncs/crm/'], ['at_risk_crm', 'value_crm']],
  [['path:./syncs/mail/renewal_mail.yml'], ['renewal_mail']],
  [['path:syncs/*/at*'], ['at_risk_crm', 'at_risk_mail']],
  [['result:failed'], ['at_risk_crm']],
  [['result:failed result:partial'], ['at_risk_crm', 'renewal_mail']],
  [['value+'], ['at_risk_crm', 'value_crm', 'at_risk_mail']],
  [['value+1'], ['value_crm']],
  [['tag:core+'], ['at_risk_crm', 'value_crm', 'at_risk_mail']],
  [['source:users+'], ['at_risk_crm', 'at_risk_mail', 'renewal_mail']],
  [['path:models/base+'], ['at_risk_crm', 'value_crm', 'at_risk_mail']],
  [['+value_crm'], ['value_crm']],
  [['tag:nightly,destination:mail'], ['at_risk_mail']],
  [['source:orders+,source:users+'], ['at_risk_crm', 'at_risk_mail']],
  [
    ['renewal_mail', 'value_crm'],
    ['value_crm', 'renewal_mail'],
  ],
  [['renewal_mail value_crm'], ['value_crm', 'renewal_mail']],
] as const)('selects %j', (select, expected) => {
  expect(names({ select })).toEqual(expected)
})

test('selects everything when nothing is asked for', () => {
  expect(names({})).toEqual(all)
})

test('takes away what is excluded', () => {
  expect(names({ exclude: ['destination:crm'] })).toEqual(['at_risk_mail', 'renewal_mail'])
  expect(names({ select: ['tag:nightly'], exclude: ['*_mail', 'tag:finance'] })).toEqual(['at_risk_crm'])
})

test('walks a bare name of a dependency as a source when no model has it', () => {
  expect(names({ select: ['source:users+'], dependencies: { renewal: ['users'] } })).toEqual(['renewal_mail'])
})

function refusal(selection: Selection) {
  try {
    names(selection)
  } catch (error) {
    if (error instanceof ActivateError)
      return error.problems.map(({ code, message, help }) => `${code} ${message}; ${help}`)
    throw error
  }
  return []
}

test.each([
  [{ select: ['at_rsk_crm'] }, 'A1180 "at_rsk_crm" matches nothing; did you mean "at_risk_crm"?'],
  [{ exclude: ['at_rsk_crm'] }, 'A1180 "at_rsk_crm" matches nothing; did you mean "at_risk_crm"?'],
  [{ select: ['*_crm', 'tag:nigthly'] }, 'A1180 "tag:nigthly" matches nothing; did you mean "nightly"?'],
  [{ select: ['destination:slack'] }, 'A1180 "destination:slack" matches nothing; destinations: crm, mail'],
  [
    { select: ['value'] },
    'A1180 --select value selects no sync; "value" is not a sync; "value+" selects the syncs that depend on it',
  ],
  [{ select: ['*_crm'], exclude: ['*'] }, 'A1180 --select *_crm --exclude * selects no sync; everything is excluded'],
  [{ select: ['result:held'] }, /^A1180 --select result:held selects no sync; syncs: at_risk_crm/],
  [{ select: ['tga:nightly'] }, 'A1181 unknown selector "tga:"; did you mean "tag:"?'],
  [{ select: ['at_risk_crm,,value_crm'] }, /^A1181 "at_risk_crm,,value_crm" is not a selector/],
  [{ select: ['tag:'] }, /^A1181 "tag:" is not a selector/],
] as const)('refuses %j', (selection, expected) => {
  const [first, ...rest] = refusal(selection)
  expect(first).toMatch(expected)
  expect(rest).toEqual([])
})

test('says that result: needs results', () => {
  expect(() => selectSyncs(project, { select: ['result:failed'] })).toThrow('A1181')
})

test('selects nothing from a project without syncs, and does not complain', () => {
  expect(selectSyncs({ syncs: [], models: [], sources: [] }, {})).toEqual([])
})
