/**
 * `npm run bench [-- warehouse|postgres|bigquery|rules|identity|delivery|limiter|memory|startup …]`: ratios measured in one run. `--rows 1000000,10000000` sets the sizes of the
 * warehouse and of the night with all rules. docs/benchmarks.md records them with the machine.
 */
import { cpus, totalmem } from 'node:os'
import { benchBigquery } from './bigquery.ts'
import { benchDelivery, benchLimiter } from './delivery.ts'
import { benchIdentity } from './identity.ts'
import { benchMemory } from './memory.ts'
import { benchRules } from './rules.ts'
import { benchStartup } from './startup.ts'
import { benchPostgres, benchWarehouse } from './warehouse.ts'

const args = process.argv.slice(2)
const at = args.indexOf('--rows')
const sizes = at < 0 ? [1_000_000, 10_000_000] : (args[at + 1] ?? '').split(',').map(Number)
const chosen = args.filter((arg, index) => !arg.startsWith('--') && (at < 0 || index !== at + 1))
const wants = (name: string) => chosen.length === 0 || chosen.includes(name)

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
)
if (wants('startup')) benchStartup()
if (wants('limiter')) await benchLimiter()
if (wants('delivery')) await benchDelivery()
if (wants('memory')) await benchMemory(sizes.at(-1) ?? 10_000_000)
if (wants('identity')) await benchIdentity()
if (wants('warehouse')) await benchWarehouse(sizes)
if (wants('postgres')) await benchPostgres(sizes)
if (wants('bigquery')) await benchBigquery()
if (wants('rules')) await benchRules(sizes)
