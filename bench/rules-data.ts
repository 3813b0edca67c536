/**
 * The world of the night with all rules: two nights of the same customers, and everything that policies go by. Made by a
 * process of its own, because making it takes memory that is not the tool's.
 */
import { DuckDBInstance } from '@duckdb/node-api'

/** The run's logical clock: a Monday, when it is day in some of the twelve zones and night in others. */
export const asOf = '2026-03-02T10:00:00.000Z'

const zones = [
  ...['Europe/London', 'Europe/Berlin', 'America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'],
  ...['America/Sao_Paulo', 'Asia/Kolkata', 'Asia/Tokyo', 'Asia/Shanghai', 'Australia/Sydney', 'Africa/Cairo'],
]

const key = (number: string) => `'c' || lpad((${number})::varchar, 8, '0')`
const email = (number: string) => `'user' || (${number}) || '@example.com'`

const person = `${key('i')} as customer_id, ${email('i')} as email, 'First' || (i % 1000) as first_name,
  'Last' || (i % 5000) as last_name, (i % 97)::double / 97 as p_alive, ((i % 10000) / 100.0)::decimal(12, 2) as ltv, (i % 50)::integer as orders,
  date '2026-02-25' + (i % 300)::integer as renews_on, (i % 3 = 0) as vip, ['gold', 'silver', 'bronze'][1 + i % 3] as tier,
  [${zones.map(zone => `'${zone}'`).join(', ')}][1 + i % 12] as timezone`

/**
 * Writes the file. A third of the churn enters, a third leaves and a third changes. Lists and merged people are a share of
 * the population: at ten million rows two lists of 100k, 100k merged keys, 10k opt-outs by e-mail and five million deliveries.
 */
export async function makeWorld(path: string, rows: number, churn: number): Promise<void> {
  const instance = await DuckDBInstance.create(path, { memory_limit: '2GB', preserve_insertion_order: 'false' })
  const connection = await instance.connect()
  const third = Math.round((rows * churn) / 3)
  const every = Math.round(rows / third)
  const all = rows + third
  const hundredth = Math.round(rows / 100)
  /** So many people, spread over all of them by a step that no other list has. */
  const some = (count: number, step: number) => `select (i * ${step}) % ${all} as n from range(${count}) r(i)`
  /** Half of what was sent went to everybody, and half to a fiftieth of them, whom caps stop. */
  const past = `case when i % 2 = 0 then (i * 7919) % ${all} else (i * 7919) % ${Math.floor(all / 50)} * 50 end`
  const statements = [
    `create table night1 as select ${person}, (i % 7)::bigint as score from range(${rows}) r(i)`,
    `create table night2 as select ${person}, case when i % ${every} = 0 then 99 else i % 7 end::bigint as score from range(${third}, ${all}) r(i)`,
    `create table consents as select ${key('i')} as customer_id, 'email' as channel, 'marketing' as purpose,
      case when i % 50 = 7 then 'denied' else 'granted' end as status, timestamptz '2024-01-01' + to_minutes(i % 900000) as updated_at,
      'consent' as basis, 'form ' || (i % 40) as evidence from range(${all}) r(i)`,
    `create table fraud_cases as select ${key('n')} as customer_id from (${some(hundredth, 104_729)})`,
    `create table do_not_contact as select ${email('n')} as email from (${some(hundredth, 130_363)})`,
    `create table opt_outs as select 'email' as kind, sha256('email:' || ${email('n')}) as hash from (${some(hundredth / 10, 32_452_843)})`,
    `create table members as select ${key('i')} as key, ${key('i - i % 2')} as entity from range(${all - hundredth}, ${all}) r(i)`,
    `create table identifiers as select 'email' as type, ${email('i')} as value, ${key('i - i % 2')} as entity from range(${all - hundredth}, ${all}) r(i)`,
    `create table past as select case when i % 4 = 0 then 'rules' else 'news' end as sync, ${key(past)} as key,
      'email' as channel, 'marketing' as purpose, md5(i::varchar) as change_id, timestamptz '${asOf}' - to_minutes(i % 80000) as as_of
      from range(${rows / 2}) r(i)`,
  ]
  for (const statement of statements) await connection.run(statement)
  connection.closeSync()
  instance.closeSync()
}
