/** Every error of project loading, for `activate explain`. */
import type { ErrorCodes } from './problem.ts'

const invalid = (title: string, explanation: string) => ({ title, explanation, exit: 'invalid' }) as const
const credentials = (title: string, explanation: string) => ({ title, explanation, exit: 'credentials' }) as const

export const projectCodes = {
  A1001: invalid(
    'no project here',
    'A project is a folder with an activate.yml. The tool looks for one in the working directory and every folder above it; `-C DIR` names another place to start, and `activate init` makes a new project.',
  ),
  A1002: invalid('a file cannot be read', 'The file exists but could not be opened or read. Check its permissions.'),
  A1003: invalid(
    'a file is too large',
    'Files of a project may have at most 1 MiB. Data belongs in the warehouse or in a CSV source, not in YAML or SQL files.',
  ),
  A1004: invalid('a file is not UTF-8', 'Files of a project are read as UTF-8. Save the file in that encoding.'),
  A1005: invalid(
    'YAML is nested too deeply',
    'Brackets and indentation may nest 64 levels deep, far more than any key of a project needs. Look for an unclosed bracket.',
  ),
  A1006: invalid('a file is empty', 'The file holds nothing but space and comments. Fill it in or delete it.'),
  A1007: invalid(
    'malformed YAML',
    'The file is not valid YAML. Usual causes: a tab as indentation, an unquoted value that holds ": " or starts with {, [, @, % or `, or a quote that is not closed. Template expressions such as "{{first_name}}" must be quoted.',
  ),
  A1008: invalid(
    'a key is given twice',
    'The same key stands twice in one mapping, so one of its values would be lost. Remove or rename one.',
  ),
  A1009: invalid('a forbidden key', 'The keys __proto__, constructor and prototype are refused everywhere.'),
  A1010: invalid('a YAML tag', 'Tags such as !include or !!binary are not supported. Write plain values.'),
  A1011: invalid(
    'too many YAML aliases',
    'Aliases (*name) that expand to more than ten thousand values, or that contain themselves, are refused.',
  ),
  A1012: invalid(
    'a number that cannot be kept exactly',
    'Whole numbers beyond 9007199254740991 lose digits when they are read as numbers. Quote the value, so that it stays text: "12345678901234567890".',
  ),
  A1014: invalid(
    'a link is not followed',
    'A symbolic link under models/ or syncs/ leads out of the project or to a folder, or a file of destinations/ is a link. Files of a project must be inside of it.',
  ),
  A1101: invalid(
    'an unknown key',
    'The key is not known at this place. Keys are never ignored: a misspelt guard would be no guard.',
  ),
  A1102: invalid('a missing key', 'A key that is required at this place is missing.'),
  A1103: invalid(
    'a value of the wrong kind',
    'The value is, say, a list where a text is needed. Text that looks like a number or true/false must be quoted.',
  ),
  A1104: invalid('a value that is not allowed', 'The value has the right kind but is out of range or malformed.'),
  A1107: invalid('an unknown choice', 'The value must be one of a fixed list; the help names them all.'),
  A1110: invalid(
    'a name is used twice',
    'Models, syncs, sources and partials are known by name, which must be unique in the project; upper and lower case do not make a difference. A model or sync is named by its file, whatever its folder.',
  ),
  A1111: invalid(
    'an unknown model or source',
    'The model (or source) that is named does not exist in models/**/*.sql (or under sources).',
  ),
  A1112: invalid(
    'an unknown destination',
    'A sync names a destination that is not under `destinations` in activate.yml, or not in the chosen target.',
  ),
  A1113: invalid(
    'a model without a key',
    'A model that feeds a sync must name its key column(s) in its front matter: the diff and the ledger recognise rows by it.',
  ),
  A1114: invalid(
    'an invalid schedule',
    'A schedule is a cron expression of five fields: minute, hour, day of month, month, day of week, in the time zone of the project. An expression that can never be due, such as 30 February, is refused.',
  ),
  A1115: invalid('an unknown time zone', 'Time zones are IANA names such as Europe/London or UTC.'),
  A1116: invalid(
    'a malformed limit',
    'A limit is a share such as 20%, between 0% and 100%, or a whole number of rows.',
  ),
  A1117: invalid('a malformed duration', 'A duration is a whole number and a unit: ms, s, m (minutes), h, d, w.'),
  A1118: invalid(
    'a trigger is missing',
    'A sync with `mode: trigger` sends communications. It must say when (`on`), whether again (`reentry`) and what the first run does (`first_run`).',
  ),
  A1119: invalid(
    'a trigger outside trigger mode',
    'The key `trigger` only means something with `mode: trigger`. In another mode nothing would heed it.',
  ),
  A1120: invalid(
    'an unknown target',
    '`--target` or ACTIVATE_TARGET names a target that is not under `targets` in activate.yml.',
  ),
  A1121: invalid(
    'a target would share its ledger, or a ledger the schema of the warehouse',
    'Each target has a ledger of its own. A target that inherits a ledger on a server would write into the one of the default target; give it its own `ledger`, or a `schema` of its own on the same server. The ledger is alone in its schema, apart from the `state` of a warehouse.',
  ),
  A1122: invalid(
    'front matter is not closed',
    'The front matter of a model starts with a line /*--- at the top of the file and ends with a line that starts with ---*/.',
  ),
  A1123: invalid('a model without SQL', 'The file holds front matter and no select.'),
  A1124: invalid(
    'a name that cannot be used',
    'Names of models, syncs, sources, destinations and targets consist of letters, digits, _ and -, and start with a letter, a digit or _.',
  ),
  A1125: invalid('a source without data', 'A source names exactly one of `csv`, `parquet` and `table`.'),
  A1130: invalid(
    'an unknown region',
    'Phone numbers without a country code are completed for a region that is known by its ISO 3166 code, such as GB. Numbers that start with + or 00 need no region.',
  ),
  A1131: invalid(
    'two holdouts with one salt',
    'A salt makes the draw of a holdout independent of every other. Two holdouts with the same salt would withhold the same people, and the effect of neither could be told. Give each a salt of its own.',
  ),
  A1132: invalid(
    'a communication that says too little, or a sync that is none',
    'Consent is given by channel and purpose, so that with `policies.consent` every communication names both. `send_window` only means something for communications.',
  ),
  A1133: invalid(
    'an unknown identifier',
    'Identifiers are declared under `identity.identifiers`; the key of the person is one by itself.',
  ),
  A1140: invalid(
    'a literal credential',
    `Credentials are never written into files of a project, which are committed and shared. Use a reference: \${env:NAME} or \${file:path}. If the value has been committed already, revoke it.`,
  ),
  A1141: invalid(
    'a malformed reference',
    `References are \${env:NAME} and \${file:path}. Anything else of that look would be sent as it stands.`,
  ),
  A1142: invalid(
    'a password in a URL',
    `The URL holds a literal password. Replace the password, or the whole URL, by a reference: postgres://user:\${env:PG_PASSWORD}@host/db.`,
  ),
  A1150: credentials(
    'an environment variable is not set',
    'A setting refers to an environment variable that is missing or empty. Its value is needed as soon as a command connects to the warehouse, the ledger or a destination.',
  ),
  A1151: credentials(
    'a secret file cannot be read',
    'A setting refers to a file that is missing, unreadable or empty.',
  ),
  A1160: invalid(
    'two settings make the same header',
    'A destination with `auth` sends the access token in the header `authorization`, which its `headers` set as well. Leave one of the two out.',
  ),
  A1180: invalid(
    'nothing is selected',
    'A term of --select or --exclude matches nothing, or what is left after --exclude is empty. Terms are names, globs with *, tag:, model:, source:, destination:, path: and result:, with + before or after for what comes upstream or downstream; a comma means both, a space either.',
  ),
  A1181: invalid(
    'a malformed selector',
    'Terms are names, globs with *, tag:, model:, source:, destination:, path: and result:, with + before or after.',
  ),
  A1196: invalid(
    'two primary outcomes',
    'A sync or holdout is judged by one outcome, chosen before the data. Of two, one would always look better by chance. Others may be guardrails, or secondary.',
  ),
  A1197: invalid(
    'an outcome of nothing',
    'An outcome names a sync or a holdout that the project does not have. Syncs are known by the names of their files, holdouts by their names in activate.yml; the holdout of a sync is measured through the sync.',
  ),
  A1198: invalid(
    'an outcome that measures nothing',
    'A window of no length lets no event count, and a cap limits a sum, which there is only with a value. A quotient (`per`) divides such a sum, too; a cap on what a person has in total would cut those who have much of the divisor, and what was known before does not belong to a quotient, so that it goes without `cap` and `covariate`.',
  ),
} as const satisfies ErrorCodes

export type ProjectCode = keyof typeof projectCodes
