import { describe, expect, test } from 'vitest'
import { projectCodes } from '../../src/project/codes.ts'
import { type Files, problemsOf, sound } from './folder.ts'

const project = (text: string): Files => ({ ...sound, 'activate.yml': text })
const more = (text: string): Files => project(sound['activate.yml'] + text)
const sync = (text: string): Files => ({ ...sound, 'syncs/at_risk.yml': text })
const syncMore = (text: string): Files => sync(sound['syncs/at_risk.yml'] + text)
const syncBut = (from: string, to: string): Files => sync(sound['syncs/at_risk.yml'].replace(from, to))
const model = (text: string): Files => ({ ...sound, 'models/at_risk.sql': text })
const frontMatter = (text: string): Files => model(`/*---\nkey: id\n${text}\n---*/\nselect 1 as id\n`)
const trigger = (text: string): Files =>
  sync(`${sound['syncs/at_risk.yml'].replace('mirror', 'trigger')}trigger: ${text}\n`)

/** Code, file:line:column and a piece of the help (or of the message, when there is no help). */
type Expected = readonly [code: string, place: string, says: string | RegExp]
type Case = readonly [title: string, files: Files, ...expected: readonly Expected[]]

const yaml: Case[] = [
  ['an empty file', sync(''), ['A1006', 'syncs/at_risk.yml:1:1', 'is empty']],
  ['a file with a comment only', sync('# later\n'), ['A1006', 'syncs/at_risk.yml:1:1', 'is empty']],
  ['an unclosed bracket', sync('a: [1\nb: 2\n'), ['A1007', 'syncs/at_risk.yml:2:1', 'brackets']],
  ['an unclosed quote', sync('a: 1\nb: "x\n'), ['A1007', 'syncs/at_risk.yml:2:4', 'close the quote']],
  ['a tab as indentation', sync('a:\n\tb: 1\n'), ['A1007', 'syncs/at_risk.yml:2:1', 'spaces']],
  ['an unquoted template', syncMore('  hi: {{first_name}}\n'), ['A1007', 'syncs/at_risk.yml:7:8', 'must be quoted']],
  ['two documents', sync('a: 1\n---\nb: 1\n'), ['A1007', 'syncs/at_risk.yml:2:1', 'one document per file']],
  ['an alias without an anchor', sync('model: *nope\n'), ['A1007', 'syncs/at_risk.yml:1:8', /nope/]],
  ['a merge key', sync('<<: 1\n'), ['A1007', 'syncs/at_risk.yml:1:1', 'write the keys out']],
  ['a key given twice', syncMore('mode: upsert\n'), ['A1008', 'syncs/at_risk.yml:7:1', 'remove or rename']],
  [
    'a key given twice, in braces',
    syncMore('guard: { min_rows: 1, min_rows: 2 }\n'),
    ['A1008', 'syncs/at_risk.yml:7:23', 'remove'],
  ],
  [
    '__proto__ as a key',
    syncMore('  __proto__: { polluted: true }\n'),
    ['A1009', 'syncs/at_risk.yml:7:3', 'not allowed'],
  ],
  ['constructor as a key', more('vars: { constructor: 1 }\n'), ['A1009', 'activate.yml:4:9', 'not allowed']],
  ['a custom tag', syncMore('  x: !js 1\n'), ['A1010', 'syncs/at_risk.yml:7:10', 'plain value']],
  [
    'an alias that contains itself',
    syncMore('tags: &a [*a]\n'),
    ['A1011', 'syncs/at_risk.yml:7:11', 'contains itself'],
  ],
  [
    'an id that is too large',
    syncMore('  id: { value: 9007199254740993 }\n'),
    ['A1012', 'syncs/at_risk.yml:7:16', 'quote it: "9007199254740993"'],
  ],
  ['infinity', syncMore('  id: { value: .inf }\n'), ['A1012', 'syncs/at_risk.yml:7:16', 'finite']],
  ['a list instead of a mapping', sync('- a\n'), ['A1103', 'syncs/at_risk.yml:1:1', 'key: value']],
  [
    'a text instead of a mapping',
    project('acme\n'),
    ['A1103', 'activate.yml:1:1', 'key: value'],
    ['A1112', 'syncs/at_risk.yml:2:14', 'no destinations'],
  ],
]

const keys: Case[] = [
  [
    'an unknown mode',
    syncBut('mirror', 'miror'),
    ['A1107', 'syncs/at_risk.yml:4:7', /did you mean "mirror"\? allowed: upsert, .*trigger/],
  ],
  ['a misspelt key', syncBut('\nmode', '\nmdoe'), ['A1101', 'syncs/at_risk.yml:4:1', 'did you mean "mode"?']],
  ['an unknown key', more('wharf: 1\n'), ['A1101', 'activate.yml:4:1', 'known keys: name, timezone']],
  [
    'an unknown nested key',
    syncMore('guard:\n  max_chnges: 5%\n'),
    ['A1101', 'syncs/at_risk.yml:8:3', 'did you mean "max_changes"?'],
  ],
  ['a missing key', syncBut('action: upsert\n', ''), ['A1102', 'syncs/at_risk.yml:1:1', 'What the destination does']],
  ['no fields', syncBut('fields:\n  email: email\n', ''), ['A1102', 'syncs/at_risk.yml:4:1', 'fields: {}']],
  [
    'a missing name',
    project('destinations: { crm: { type: crm } }\n'),
    ['A1102', 'activate.yml:1:1', 'name of the project'],
  ],
  ['a key without a value', syncMore('guard:\n'), ['A1103', 'syncs/at_risk.yml:7:1', 'remove the line']],
  ['a boolean for a text', syncBut('upsert', 'true'), ['A1103', 'syncs/at_risk.yml:3:9', 'quote it: "true"']],
  ['a text for a boolean', syncMore('enabled: yes\n'), ['A1103', 'syncs/at_risk.yml:7:10', 'never run']],
  [
    'a misspelt field key',
    syncMore('  x: { colum: y }\n'),
    ['A1101', 'syncs/at_risk.yml:7:8', 'did you mean "column"?'],
  ],
  ['an empty field', syncMore('  x: {}\n'), ['A1103', 'syncs/at_risk.yml:7:6', '{ template: … }']],
  ['a number as a field', syncMore('  x: 3\n'), ['A1103', 'syncs/at_risk.yml:7:6', 'A column, or']],
  [
    'an unknown conversion',
    syncMore('  x: { column: a, as: nubmer }\n'),
    ['A1107', 'syncs/at_risk.yml:7:23', 'did you mean "number"?'],
  ],
  [
    'an unknown hash',
    syncMore('  x: { column: a, hash: md5 }\n'),
    ['A1107', 'syncs/at_risk.yml:7:25', 'allowed: sha256'],
  ],
  [
    'digits that are not whole',
    syncMore('  x: { column: a, round: 1.5 }\n'),
    ['A1103', 'syncs/at_risk.yml:7:26', 'Digits'],
  ],
  [
    'a negative number of rows',
    syncMore('guard: { min_rows: -1 }\n'),
    ['A1104', 'syncs/at_risk.yml:7:20', 'at least 0, not -1'],
  ],
  [
    'a limit over 100%',
    syncMore('guard: { max_leavers: 101% }\n'),
    ['A1116', 'syncs/at_risk.yml:7:23', 'between 0% and 100%'],
  ],
  [
    'a limit that is a fraction',
    syncMore('guard: { max_changes: 0.2 }\n'),
    ['A1116', 'syncs/at_risk.yml:7:23', 'a share such as 20%'],
  ],
  ['a negative limit', syncMore('guard: { max_changes: -5 }\n'), ['A1116', 'syncs/at_risk.yml:7:23', 'whole number']],
  ['an error rate without %', syncMore('max_error_rate: 5\n'), ['A1116', 'syncs/at_risk.yml:7:17', 'such as 5%']],
  [
    'a malformed duration',
    trigger('{ on: enter, reentry: 300x, first_run: send }'),
    ['A1117', 'syncs/at_risk.yml:7:32', '300d'],
  ],
  [
    'a duration without a unit',
    trigger('{ on: enter, reentry: 300, first_run: send }'),
    ['A1103', 'syncs/at_risk.yml:7:32', 'after a duration'],
  ],
  [
    'an unknown event',
    trigger('{ on: entr, reentry: never, first_run: send }'),
    ['A1107', 'syncs/at_risk.yml:7:16', 'did you mean "enter"?'],
  ],
  [
    'a trigger without its policies',
    trigger('{ on: enter }'),
    ['A1102', 'syncs/at_risk.yml:7:1', 'may be sent to again'],
    ['A1102', 'syncs/at_risk.yml:7:1', 'first run does'],
  ],
  [
    'trigger mode without a trigger',
    syncBut('mirror', 'trigger'),
    ['A1118', 'syncs/at_risk.yml:4:7', 'trigger: { on: enter'],
  ],
  [
    'a trigger in another mode',
    syncMore('trigger: { on: enter, reentry: never, first_run: send }\n'),
    ['A1119', 'syncs/at_risk.yml:7:1', 'remove it'],
  ],
  [
    'an unknown time zone',
    project(`timezone: Europe/Lodon\n${sound['activate.yml']}`),
    ['A1115', 'activate.yml:1:11', 'did you mean "Europe/London"?'],
  ],
  [
    'an offset for a time zone',
    project(`timezone: "+01:00"\n${sound['activate.yml']}`),
    ['A1115', 'activate.yml:1:11', 'IANA'],
  ],
]

const schedules: Case[] = [
  '"1-0 * * * *"',
  "''",
  '"* * * *"',
  '"* * * * * *"',
  '"@daily"',
  '"? * * * *"',
  '0 0 30 2 *',
  '0 0 31 4,6 *',
  '60 * * * *',
].map(
  (schedule): Case => [
    `the schedule ${schedule}`,
    syncMore(`schedule: ${schedule}\n`),
    ['A1114', 'syncs/at_risk.yml:7:11', 'five fields'],
  ],
)

const models: Case[] = [
  [
    'an unknown type',
    frontMatter('columns:\n  id: { type: strng }'),
    ['A1107', 'models/at_risk.sql:4:15', 'did you mean "string"?'],
  ],
  [
    'an unknown test',
    frontMatter('columns:\n  id: { tests: [not_nul] }'),
    ['A1107', 'models/at_risk.sql:4:17', 'did you mean "not_null"?'],
  ],
  [
    'a misspelt test',
    frontMatter('columns:\n  id: { tests: [{ accepted_value: [1] }] }'),
    ['A1101', 'models/at_risk.sql:4:19', 'did you mean "accepted_values"?'],
  ],
  [
    'an empty range',
    frontMatter('columns:\n  id: { tests: [{ between: [2, 1] }] }'),
    ['A1104', 'models/at_risk.sql:4:28', '[lowest, highest]'],
  ],
  [
    'a relationship to nothing',
    frontMatter('columns:\n  id: { tests: [{ relationships: { to: at_rik, column: id } }] }'),
    ['A1111', 'models/at_risk.sql:4:40', 'did you mean "at_risk"?'],
  ],
  [
    'a row count without limits',
    frontMatter('tests: [{ row_count: {} }]'),
    ['A1102', 'models/at_risk.sql:3:22', 'min, max or both'],
  ],
  [
    'an SQL test without a name',
    frontMatter('tests: [{ sql: select 1 }]'),
    ['A1102', 'models/at_risk.sql:3:9', 'called in results'],
  ],
  [
    'an unknown materialisation',
    frontMatter('materialised: incremental'),
    ['A1107', 'models/at_risk.sql:3:15', 'allowed: ephemeral, view, table'],
  ],
  ['malformed front matter', frontMatter('tags: [a'), ['A1007', 'models/at_risk.sql:4:1', /malformed/]],
  ['front matter that is not closed', model('/*---\nkey: id\nselect 1'), ['A1122', 'models/at_risk.sql:1:1', '---*/']],
  [
    'front matter that is not opened as it should',
    model('/* ---\nkey: id\n---*/\nselect 1'),
    ['A1122', 'models/at_risk.sql:1:1', '/*---'],
  ],
  ['a model without SQL', model('/*---\nkey: id\n---*/\n\n'), ['A1123', 'models/at_risk.sql:1:1', 'one select']],
  ['an empty model', model(''), ['A1123', 'models/at_risk.sql:1:1', 'one select']],
]

const names: Case[] = [
  ['an unknown model', syncBut('at_risk', 'at_rsk'), ['A1111', 'syncs/at_risk.yml:1:8', 'did you mean "at_risk"?']],
  ['an unknown destination', syncBut('crm', 'crn'), ['A1112', 'syncs/at_risk.yml:2:14', 'did you mean "crm"?']],
  ['a model without a key', model('select 1 as id'), ['A1113', 'syncs/at_risk.yml:1:8', 'models/at_risk.sql']],
  [
    'two models of one name',
    { ...sound, 'models/x/At_Risk.sql': 'select 1' },
    ['A1110', 'models/x/At_Risk.sql:1:1', 'models/at_risk.sql'],
  ],
  [
    'two syncs of one name',
    { ...sound, 'syncs/b/at_risk.yaml': sound['syncs/at_risk.yml'] },
    ['A1110', 'syncs/b/at_risk.yaml:1:1', 'syncs/at_risk.yml'],
  ],
  [
    'two partials of one name',
    { ...sound, 'models/_partials/a.hbs': 'x', 'models/_partials/a.sql': 'x' },
    ['A1110', 'models/_partials/a.sql:1:1', 'a.hbs'],
  ],
  [
    'sources that differ by case',
    more('sources: { a: { csv: a.csv }, A: { csv: b.csv } }\n'),
    ['A1110', 'activate.yml:4:31', 'rename'],
  ],
  [
    'a model that cannot be named',
    { ...sound, 'models/a b.sql': 'select 1' },
    ['A1124', 'models/a b.sql:1:1', 'letters, digits'],
  ],
  ['a variable that cannot be named', more('vars: { "a b": 1 }\n'), ['A1124', 'activate.yml:4:9', 'letters, digits']],
  ['a source without data', more('sources: { a: {} }\n'), ['A1125', 'activate.yml:4:12', 'exactly one of']],
  [
    'a source with two kinds of data',
    more('sources: { a: { csv: a, table: b } }\n'),
    ['A1125', 'activate.yml:4:12', 'exactly one of'],
  ],
  [
    'a malformed table',
    more('sources: { a: { table: a..b } }\n'),
    ['A1104', 'activate.yml:4:24', 'shop.main.customers'],
  ],
  [
    'a target called default',
    more('targets: { default: {} }\n'),
    ['A1124', 'activate.yml:4:12', 'outside of `targets`'],
  ],
  [
    'a ledger that a target would share',
    more(`ledger: { type: postgres, url: "\${env:L}" }\ntargets: { prod: {} }\n`),
    ['A1121', 'activate.yml:5:12', 'of its own'],
  ],
  [
    'a schema of a ledger that two targets would share',
    more(
      `ledger: { type: postgres, url: "\${env:L}" }\ntargets: { a: { ledger: { type: postgres, url: "\${env:L}", schema: a } }, b: { ledger: { type: postgres, url: "\${env:L}" } } }\n`,
    ),
    ['A1121', 'activate.yml:5:88', 'a schema of its own'],
  ],
  [
    'a ledger in the schema of the warehouse',
    more(
      `warehouse: { type: postgres, url: "\${env:L}", state: x }\nledger: { type: postgres, url: "\${env:L}", schema: x }\n`,
    ),
    ['A1121', 'activate.yml:5:9', '`schema` of its own'],
  ],
  [
    'a file that a target would share',
    more('targets: { dev: { ledger: { type: sqlite, path: ./.activate/ledger.db } } }\n'),
    ['A1121', 'activate.yml:4:49', 'path of its own'],
  ],
  [
    'an unknown warehouse',
    more('warehouse: { type: duckdc }\n'),
    ['A1107', 'activate.yml:4:20', 'did you mean "duckdb"? allowed: duckdb, postgres, bigquery'],
  ],
  ['a warehouse without a type', more('warehouse: { path: x }\n'), ['A1102', 'activate.yml:4:1', 'is missing']],
  [
    'state in memory',
    more('warehouse: { type: duckdb, path: ":memory:" }\n'),
    ['A1104', 'activate.yml:4:34', 'outlive the process'],
  ],
]

const policies: Case[] = [
  [
    'consent from an unknown model',
    more('policies: { consent: { model: at_rizk } }\n'),
    ['A1111', 'activate.yml:4:31', 'did you mean "at_risk"?'],
  ],
  [
    'links from an unknown model',
    more('identity: { key: id, links: [nope] }\n'),
    ['A1111', 'activate.yml:4:30', 'at_risk'],
  ],
  ['a QA audience that is no model', syncMore('qa_audience: nope\n'), ['A1111', 'syncs/at_risk.yml:7:14', 'at_risk']],
  [
    'a cap of zero',
    more('policies: { caps: [{ name: a, max: 0, per: 7d }] }\n'),
    ['A1104', 'activate.yml:4:36', 'activate hold'],
  ],
  [
    'an unknown time zone',
    more('policies: { quiet_hours: { channels: [sms], from: "21:00", to: "08:00", timezone: Europe/Londn } }\n'),
    ['A1115', 'activate.yml:4:83', 'Europe/London'],
  ],
  [
    'quiet hours of no length',
    more('policies: { quiet_hours: { channels: [sms], from: "21:00", to: "21:00" } }\n'),
    ['A1104', 'activate.yml:4:13', 'when they end'],
  ],
  [
    'two holdouts with one salt',
    more(
      'policies: { holdouts: [{ name: a, share: 5%, epoch: "1", salt: s }, { name: b, share: 5%, epoch: "1", salt: s }] }\n',
    ),
    ['A1131', 'activate.yml:4:69', 'a salt of its own'],
  ],
  [
    'a salt that would run into the key',
    more('policies: { holdouts: [{ name: a, share: 5%, epoch: "1", salt: "a:b" }] }\n'),
    ['A1104', 'activate.yml:4:64', 'letters, digits'],
  ],
  [
    'a suppression list of two kinds',
    more('policies: { suppression: [{ model: at_risk, csv: a.csv, reason: x }] }\n'),
    ['A1104', 'activate.yml:4:27', 'exactly one'],
  ],
  [
    'an identifier that nobody declared',
    more('policies: { suppression: [{ csv: a.csv, column: email, identifier: email, reason: x }] }\n'),
    ['A1133', 'activate.yml:4:27', 'identity.identifiers'],
  ],
  [
    'a hash of nothing',
    more('identity: { key: id, identifiers: { email_hash: { hash_of: email } } }\n'),
    ['A1133', 'activate.yml:4:37', 'declare the identifier'],
  ],
  [
    'a region without numbers',
    more('identity: { key: id, identifiers: { phone: { normalise: e164, region: UK } } }\n'),
    ['A1130', 'activate.yml:4:71', 'GB'],
  ],
  [
    'a communication without a purpose, where consent is asked',
    {
      ...more('policies: { consent: { model: at_risk } }\n'),
      'syncs/at_risk.yml': `${sound['syncs/at_risk.yml'].replace('mirror', 'trigger')}trigger: { on: enter, reentry: never, first_run: send }\nchannel: email\n`,
    },
    ['A1132', 'syncs/at_risk.yml:4:7', 'purpose: marketing'],
  ],
  [
    'a send window of a sync that does not speak to people',
    syncMore('send_window: { from: "09:00", to: "17:00" }\n'),
    ['A1132', 'syncs/at_risk.yml:7:14', 'mode: trigger'],
  ],
]

async function expectProblems(files: Files, expected: readonly Expected[]): Promise<void> {
  const problems = await problemsOf(files)
  const found = problems.map(({ code, place }) => [code, `${place?.file}:${place?.line}:${place?.column}`])
  expect(found).toEqual(expected.map(([code, place]) => [code, place]))
  for (const [index, [code, , says]] of expected.entries()) {
    expect(`${problems[index]?.message}; ${problems[index]?.help}`).toMatch(says)
    expect(projectCodes).toHaveProperty(code)
  }
}

const groups: readonly (readonly [string, readonly Case[]])[] = [
  ['YAML', yaml],
  ['keys and values', keys],
  ['schedules', schedules],
  ['models', models],
  ['names', names],
  ['policies', policies],
]

for (const [group, cases] of groups) {
  describe(group, () => {
    for (const [title, files, ...expected] of cases) {
      test(`refuses ${title}`, () => expectProblems(files, expected))
    }
  })
}

test('finds nothing wrong with the sound project that the cases spoil', async () => {
  expect(await problemsOf(sound)).toEqual([])
})

test('shows the line as it is written and underlines what is wrong', async () => {
  const [problem] = await problemsOf(syncBut('mirror', 'miror  # nightly'))
  expect(problem?.place).toEqual({
    file: 'syncs/at_risk.yml',
    line: 4,
    column: 7,
    source: 'mode: miror  # nightly',
    length: 5,
  })
})

test('reports the problems of all files at once, the project file first and each file from top to bottom', async () => {
  const problems = await problemsOf({
    'activate.yml': 'name: acme\nnmae: x\ntimezone: Mars\n',
    'models/b.sql': '/*---\nky: a\n---*/\nselect 1',
    'syncs/a.yml': 'model: c\ndestination: d\naction: e\nmode: f\n',
  })
  expect(problems.map(({ code, place }) => `${code} ${place?.file}:${place?.line}`)).toEqual([
    'A1101 activate.yml:2',
    'A1115 activate.yml:3',
    'A1101 models/b.sql:2',
    'A1111 syncs/a.yml:1',
    'A1112 syncs/a.yml:2',
    'A1107 syncs/a.yml:4',
  ])
})

test('asks for what happens anyway without being refused', async () => {
  expect(await problemsOf(syncMore('on_violation: fail\nrequire_approval: never\nrollout: 100%\n'))).toEqual([])
})
