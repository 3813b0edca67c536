/**
 * `npm run torture -- --kills 2000 --seed 1 --class keyed`: as many kills as asked, and figures. Ends with 1 when a promise was broken, and then
 * prints the life that did it: its seed repeats its world, faults and kills (but not the moments of a process, nor its jitter).
 */
import { parseArgs } from 'node:util'
import { classNames } from './idempotency-classes.ts'
import { type LifePlan, liveAll, noFigures } from './life.ts'
import { exhaustivePlans, randomPlans } from './plans.ts'
import { scenarios } from './scenario.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    class: { type: 'string' },
    /** The ledger of the projects as YAML; `{life}` stands for a number of each life's own. */
    ledger: { type: 'string' },
    'at-once': { type: 'string', default: '2' },
  },
})

const [wanted, seed, atOnce] = [values.kills, values.seed, values['at-once']].map(Number)
if (
  wanted === undefined ||
  seed === undefined ||
  atOnce === undefined ||
  !(wanted > 0) ||
  !(atOnce > 0) ||
  Number.isNaN(seed)
)
  throw new TypeError('--kills, --seed and --at-once are numbers')
if (values.class !== undefined && !classNames.some(name => name === values.class))
  throw new TypeError(`--class is one of ${classNames.join(', ')}`)

const chosen = scenarios.filter(({ idempotency }) => values.class === undefined || idempotency === values.class)
const began = performance.now()
const total = { ...noFigures }

let enough = false
process.once('SIGINT', () => {
  console.error('enough: the lives that have begun are lived to their end')
  enough = true
})

/** Every hit in every scenario, and chance, by turns, until there were kills enough. */
function* plans(): Generator<LifePlan> {
  const { ledger } = values
  const exhaustive = exhaustivePlans(chosen, seed ?? 1, { ledger })
  const random = randomPlans(chosen, seed ?? 1, { ledger })
  while (!enough && total.kills < (wanted ?? 0)) {
    const { value, done } = exhaustive.next()
    if (done !== true) yield value
    yield random.next().value
  }
}

let shown = 0
const { violations } = await liveAll(plans(), atOnce, life => {
  for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += life.figures[name]
  for (const violation of life.violations) console.error(violation)
  if (total.kills < shown + 100) return
  shown = total.kills
  console.error(`${total.kills} kills in ${Math.round((performance.now() - began) / 1000)} s`)
})
const seconds = Math.round((performance.now() - began) / 1000)
for (const [name, value] of Object.entries({ ...total, violations: violations.length, seconds }))
  console.log(`${name.padEnd(10)} ${String(value).padStart(6)}`)
process.exitCode = violations.length === 0 ? 0 : 1
