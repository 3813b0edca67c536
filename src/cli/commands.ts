/**
 * Every command, its arguments and options: what the parser, the help, the shell completions and the reference are made
 * of. A command's code is loaded when it is called.
 */
import type { CommandDefinition } from './command-definition.ts'
import { by, fullResync, holdTarget, limit, reason, showPii } from './command-options.ts'

export const commands: readonly CommandDefinition[] = [
  {
    name: 'init',
    summary: 'write a small project that runs in a minute, or a destination of your own',
    description:
      'write a small project that runs in a minute; `init destination NAME` writes a destination of your own, and its test, into the project',
    arguments: [
      { name: 'dir', summary: 'where (default: the working directory), or the word destination', required: false },
      { name: 'name', summary: 'after the word destination: what its type is called', required: false },
    ],
    options: [
      { flags: '--template <name>', summary: 'file (writes a CSV; the default) or sandbox (a local CRM)' },
      { flags: '--language <name>', summary: 'of a destination: js or ts (default: ts where this Node reads it)' },
    ],
    examples: [
      'activate init my-programme',
      'activate init my-programme --template sandbox',
      'activate init destination loyalty',
    ],
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'demo',
    summary: 'run the worked example: several nights against the sandbox',
    arguments: [],
    options: [
      { flags: '--dir <dir>', summary: 'where to put it (default: a new temporary folder)' },
      { flags: '--nights <n>', summary: 'how many nights (default: 5)' },
      { flags: '--customers <n>', summary: 'how many customers the sample has (default: 1000)' },
      { flags: '--seed <n>', summary: 'seed of the sample data and of the sandbox' },
    ],
    examples: ['activate demo', 'activate demo --dir ./demo'],
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'validate',
    summary: 'every problem of the project at once, without a network',
    arguments: [],
    options: [],
    examples: ['activate validate', 'activate validate --json'],
    load: () => import('./commands/validate.ts'),
  },
  {
    name: 'compile',
    summary: 'the SQL that would run',
    arguments: [
      { name: 'model', summary: 'one model (default: all, in the order of their dependencies)', required: false },
    ],
    options: [{ flags: '--explain', summary: 'add the order, and why each model is computed' }],
    examples: ['activate compile at_risk', 'activate compile --explain --as-of 2026-03-01'],
    load: () => import('./commands/compile.ts'),
  },
  {
    name: 'test',
    summary: 'the declared tests of sources and models',
    description:
      'Runs the declared tests of sources and models. --select names models and sources here (name, glob, tag:).',
    arguments: [],
    options: [showPii],
    examples: ['activate test', 'activate test --select at_risk'],
    load: () => import('./commands/test.ts'),
  },
  {
    name: 'seed',
    summary: 'load the CSV sources into the warehouse',
    arguments: [{ name: 'source', summary: 'one source (default: every CSV source)', required: false }],
    options: [],
    examples: ['activate seed', 'activate seed orders'],
    load: () => import('./commands/seed.ts'),
  },
  {
    name: 'dry-run',
    summary: 'the plan: what a run would send, and why; nothing is sent',
    arguments: [],
    options: [
      { flags: '--save <file>', summary: 'write the plan, for `run --plan`' },
      { flags: '--sample <n>', summary: 'samples per sync (default: 5)' },
      { flags: '--exit-code', summary: 'exit 2 when there is something to send' },
      showPii,
      fullResync,
      limit,
    ],
    examples: [
      'activate dry-run',
      'activate dry-run --select at_risk --sample 20',
      'activate dry-run --save plan.json',
    ],
    load: () => import('./commands/dry-run.ts'),
  },
  {
    name: 'run',
    summary: 'the plan, executed',
    arguments: [],
    options: [
      { flags: '--plan <file>', summary: 'execute exactly this saved plan, or refuse it as stale' },
      fullResync,
      limit,
      { flags: '--yes', summary: 'send what a guard holds' },
      { flags: '--sample <n>', summary: 'samples per sync in the JSON document (default: 0)' },
      showPii,
    ],
    examples: [
      'activate run',
      'activate run --select tag:nightly',
      'activate run --as-of 2026-03-01',
      'activate run --plan plan.json',
    ],
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'status',
    summary: 'where each sync stands',
    arguments: [],
    options: [],
    examples: ['activate status'],
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'history',
    summary: 'past runs, newest first',
    arguments: [],
    options: [{ flags: '--limit <n>', summary: 'how many (default: 20)' }],
    examples: ['activate history --limit 50', 'activate history --select at_risk --json'],
    load: () => import('./commands/history.ts'),
  },
  {
    name: 'inspect',
    summary: 'all that ever happened to one person, and why',
    arguments: [{ name: 'key', summary: 'the key, as text; a composite key as a JSON array of texts', required: true }],
    options: [showPii],
    examples: ['activate inspect C00042', `activate inspect '["A7","2026-03"]'`],
    load: () => import('./commands/inspect.ts'),
  },
  {
    name: 'report',
    summary: 'what syncs and holdouts were worth: lift, and whether it can be believed',
    description:
      'Compares the people whom a sync or a shared holdout treated with those whom it withheld, by the outcomes of outcomes/*.yml. While an experiment runs it may be looked at every day: its intervals are wide enough for that.',
    arguments: [{ name: 'sync', summary: 'one sync (default: all, and shared holdouts as a whole)', required: false }],
    options: [
      {
        flags: '--html <file>',
        summary: 'also write it as one HTML file, with drawings, to be read without this tool',
      },
      { flags: '--write-back', summary: 'keep the results in the table `results` of the state, for dashboards' },
    ],
    examples: ['activate report', 'activate report renewal_due --json', 'activate report --html report.html'],
    load: () => import('./commands/report.ts'),
  },
  {
    name: 'suppress',
    summary: 'opt somebody out, also of runs that are under way',
    description:
      'Records an opt-out in the ledger, by hash alone. Every plan that is made from then on knows of it, and a run that is sending looks it up right before each request.',
    arguments: [
      { name: 'value', summary: 'an e-mail address, a phone number with its country code, or a key', required: false },
    ],
    options: [
      { flags: '--identifier <name>', summary: 'which identifier of the project the value is (default: as it looks)' },
      { flags: '--channel <name>', summary: 'for this channel only (default: every channel)' },
      { flags: '--reason <word>', summary: 'suppression.<reason> in plans (default: opt_out)' },
      by,
      { flags: '--lift', summary: 'end an opt-out of the same value and channel' },
      { flags: '--file <file>', summary: 'the first column of a CSV with a header, all rows or none' },
    ],
    examples: [
      'activate suppress ada@example.com',
      'activate suppress +447700900123 --channel sms --reason complaint',
      'activate suppress C00042 --lift',
      'activate suppress --file opt-outs.csv --identifier email',
    ],
    load: () => import('./commands/suppress.ts'),
  },
  {
    name: 'erase',
    summary: 'forget a person everywhere, and keep them from coming back',
    description:
      'Removes every trace of a person, under all of their keys, from the ledger, the warehouse state and saved files. A keyed hash stays until retention.erasures, so that nothing is sent to them again while the source still has them.',
    arguments: [
      { name: 'key', summary: "the person's key, as text; a composite key as a JSON array of texts", required: true },
    ],
    options: [
      { flags: '--dry-run', summary: 'count what would go, and change nothing' },
      { flags: '--remove-first', summary: 'keep them out, so that the next runs remove them; then erase again' },
      { flags: '--keep-at-destinations', summary: 'forget them here, and leave them where they are' },
      { flags: '--yes', summary: 'do not ask' },
      by,
    ],
    examples: [
      'activate erase C00042 --dry-run',
      'activate erase C00042 --remove-first --yes',
      'activate erase C00042 --yes',
    ],
    load: () => import('./commands/erase.ts'),
  },
  {
    name: 'prune',
    summary: 'remove what is older than `retention` allows',
    description:
      'Removes old decisions, deliveries, samples, requests and mended rows, as `retention` in activate.yml says; a run does so once a day. What caps, re-entry, holdouts and reports still need stays, and the audit trail always does.',
    arguments: [],
    options: [{ flags: '--dry-run', summary: 'count what would go, and change nothing' }, by],
    examples: ['activate prune --dry-run', 'activate prune'],
    load: () => import('./commands/prune.ts'),
  },
  {
    name: 'hold',
    summary: 'pause a sync, a destination or everything',
    arguments: [{ name: 'sync', summary: 'one sync', required: false }],
    options: [...holdTarget, reason, by],
    examples: [
      'activate hold at_risk --reason "numbers look wrong"',
      'activate hold --destination crm --reason "migration until Monday"',
    ],
    load: () => import('./commands/hold.ts'),
  },
  {
    name: 'release',
    summary: 'end a hold',
    arguments: [{ name: 'sync', summary: 'one sync', required: false }],
    options: [...holdTarget, reason, by],
    examples: ['activate release at_risk --reason "model mended"', 'activate release --all --reason "all clear"'],
    load: () => import('./commands/release.ts'),
  },
  {
    name: 'approve',
    summary: 'let exactly one held plan pass',
    description:
      'Approves the newest held plan of a sync, bound to its hash: it is void as soon as data, SQL, mapping or policies change what would be done.',
    arguments: [{ name: 'sync', summary: 'whose plan (default: the only one that is held)', required: false }],
    options: [
      { flags: '--plan <hash>', summary: 'the plan of this hash, or of the only one that begins so' },
      reason,
      by,
    ],
    examples: [
      'activate approve at_risk --reason "reviewed with legal"',
      'activate approve --plan 3fa4c1d2 --reason "expected after the import"',
    ],
    load: () => import('./commands/approve.ts'),
  },
  {
    name: 'resolve',
    summary: 'say what became of rows that may or may not have arrived',
    description:
      'Lists the rows that are parked; with --acked, --retry or --drop, says what became of them. The sync may be left out where one alone has the key.',
    arguments: [{ name: 'sync', summary: 'one sync', required: false }],
    options: [
      { flags: '--acked', summary: 'it arrived' },
      { flags: '--retry', summary: 'it did not: the next run sends it again' },
      { flags: '--drop', summary: 'leave it: neither sent nor waited for; caps and re-entry go on counting it' },
      {
        flags: '--key <key>',
        summary: 'the key of a row, or of a person for all of their rows; may be repeated',
        repeatable: true,
      },
      { flags: '--all', summary: 'everything that is parked of the sync' },
      reason,
      by,
    ],
    examples: [
      'activate resolve',
      'activate resolve reminder --acked --key C00042 --reason "in the provider\'s log"',
      'activate resolve reminder --retry --all --reason "their outage, nothing was sent"',
    ],
    load: () => import('./commands/resolve.ts'),
  },
  {
    name: 'dead-letters',
    summary: 'rows that were refused for good: look at them, have them tried again, let them rest',
    description:
      'Lists the open dead letters, shows one with its fields masked, makes rows due again (the next run plans, decides and sends them like any other), or lets them rest until they change.',
    arguments: [
      { name: 'action', summary: 'list (the default), show, replay or drop', required: false },
      { name: 'id', summary: 'ids of letters, or their beginnings', required: false, repeatable: true },
    ],
    options: [
      { flags: '--sync <name>', summary: 'only letters of this sync; also one that the project no longer has' },
      { flags: '--all', summary: 'replay, drop: every open letter' },
      { flags: '--limit <n>', summary: 'list: how many (default: 100)' },
      { flags: '--show-pii', summary: 'show: personal data as it is, instead of masked' },
      { flags: '--reason <text>', summary: 'replay, drop: why; kept in the audit trail (required)' },
      by,
    ],
    examples: [
      'activate dead-letters',
      'activate dead-letters show 5f2c90ab --show-pii',
      'activate dead-letters replay 5f2c90ab 77e01c3d --reason "the field was added at the CRM"',
      'activate dead-letters replay --select lapsing --reason "their validation was broken"',
      'activate dead-letters drop --sync lapsing --reason "test accounts"',
    ],
    load: () => import('./commands/dead-letters.ts'),
  },
  {
    name: 'audit',
    summary: 'who did what and why, newest first',
    arguments: [],
    options: [{ flags: '--limit <n>', summary: 'how many (default: 20)' }],
    examples: ['activate audit', 'activate audit --limit 100 --json'],
    load: () => import('./commands/audit.ts'),
  },
  {
    name: 'schedule',
    summary: 'run due syncs in the foreground until stopped',
    arguments: [],
    options: [],
    examples: ['activate schedule', 'activate schedule --select tag:nightly'],
    load: () => import('./commands/schedule.ts'),
  },
  {
    name: 'callbacks',
    summary: 'receive what vendors report of what they took, until stopped',
    description:
      'Listens for calls of vendors, such as that a message was delivered or that somebody answered STOP, and writes them to the ledger: inspect and history show outcomes, and who opted out is suppressed at once. Only what a vendor signed is believed.',
    arguments: [],
    options: [
      { flags: '--port <n>', summary: 'port (default: 8485; 0 takes a free one)' },
      { flags: '--host <address>', summary: 'address to listen at (default: 127.0.0.1)' },
    ],
    examples: ['activate callbacks', 'activate callbacks --host 0.0.0.0 --port 9000'],
    load: () => import('./commands/callbacks.ts'),
  },
  {
    name: 'sandbox',
    summary: 'a local CRM and messaging API with limits, faults and a memory',
    arguments: [],
    options: [
      { flags: '--port <n>', summary: 'port (default: 8484; 0 takes a free one)' },
      { flags: '--fail <faults>', summary: 'chosen faults, such as 5xx=2%,timeout=1%' },
      { flags: '--seed <n>', summary: 'seed of the faults' },
      { flags: '--state <file>', summary: 'remember what was received in this file' },
    ],
    examples: ['activate sandbox', 'activate sandbox --port 9000 --fail 5xx=2%,timeout=1%'],
    load: () => import('./commands/sandbox.ts'),
  },
  {
    name: 'doctor',
    summary: 'check the set-up: files, warehouse, ledger, secrets, destinations, clock',
    arguments: [],
    options: [],
    examples: ['activate doctor'],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'schema',
    summary: 'JSON Schemas (draft-07) of the project files, for editors; dbt sources of the state',
    arguments: [{ name: 'kind', summary: 'project, sync, model or outcome; or dbt', required: false }],
    options: [
      { flags: '--write [dir]', summary: 'write a JSON file for each kind (default: schemas)' },
      { flags: '--check [dir]', summary: 'exit 1 when the files there differ (default: schemas)' },
    ],
    examples: [
      'activate schema sync',
      'activate schema --write schemas',
      'activate schema --check schemas',
      'activate schema dbt > models/activate.yml',
    ],
    load: () => import('./commands/schema.ts'),
  },
  {
    name: 'completion',
    summary: 'a completion script for a shell',
    arguments: [{ name: 'shell', summary: 'bash, zsh or fish', required: true }],
    options: [],
    examples: [
      'source <(activate completion bash)',
      'activate completion fish > ~/.config/fish/completions/activate.fish',
    ],
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'explain',
    summary: 'what an error code means and what to do',
    arguments: [{ name: 'code', summary: 'such as A1107 (default: list them all)', required: false }],
    options: [],
    examples: ['activate explain A1107', 'activate explain'],
    load: () => import('./commands/explain.ts'),
  },
]
