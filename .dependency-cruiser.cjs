/** The directions of ARCHITECTURE.md: which room may use which. */
const rooms = {
  // room: what it may import, beside itself and src/project/problem.ts
  project: [],
  models: ['project', 'warehouse'],
  postgres: [],
  warehouse: ['project', 'postgres'],
  ledger: ['project', 'postgres'],
  plan: ['project', 'warehouse', 'models'],
  delivery: ['project', 'plan', 'ledger'],
  destinations: ['project', 'delivery', 'plan'],
  report: ['project', 'plan', 'warehouse', 'ledger', 'models'],
  schedule: ['project', 'ledger'],
  sandbox: ['project', 'delivery'],
  callbacks: ['project', 'ledger', 'delivery'],
  failpoints: ['warehouse', 'ledger', 'delivery'],
  run: ['project', 'models', 'warehouse', 'ledger', 'plan', 'delivery'],
}

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-unlisted', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `${room}-looks-only-down`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/${room === 'run' ? '|^src/(wire|run)\\.ts$' : ''}` },
    })),
    {
      name: 'adapters-are-wired-in-one-place',
      comment: 'Warehouses, ledgers and destinations are opened by the composition root alone.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(wire\\.ts|cli/commands/(doctor|schema|explain)|cli/code-book|warehouse/(duckdb|postgres)|ledger/)' },
      to: { path: '^src/(warehouse/(duckdb|postgres)\\.ts|ledger/store\\.ts)$' },
    },
    {
      name: 'pure-rooms-touch-no-node',
      comment: 'Planning and model compilation are functions on data.',
      severity: 'error',
      from: { path: '^src/(plan|models)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'knex-stays-where-tables-are',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(ledger/|destinations/table|warehouse/postgres)' },
      to: { path: 'node_modules/knex' },
    },
    {
      name: 'one-way-out',
      comment: 'Whatever goes out by HTTP, be it a record, a token or a webhook, passes the egress rules of one client. (postgres-connect only judges certificates.)',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(delivery/http|warehouse/postgres-connect)\\.ts$' },
      to: { path: ['node_modules/undici/', '^(node:)?(http|https|http2|tls|dgram)$'] },
    },
    { name: 'source-does-not-import-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}
