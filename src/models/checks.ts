/** Runs the declared tests of a contract in the warehouse; the only file of this room, beside freshness, that asks one. */
import type { Problem } from '../project/problem.ts'
import { type Fragment, join, raw, render, sql } from '../warehouse/sql.ts'
import type { Row, Warehouse } from '../warehouse/warehouse.ts'
import type { Contract } from './analysis.ts'
import type { ModelsCode } from './codes.ts'
import { type Check, type ContractScope, checkColumns, contractChecks } from './contract.ts'

export type CheckResult =
  | { readonly kind: 'passed'; readonly check: Check }
  | { readonly kind: 'failed'; readonly check: Check; readonly offending: number; readonly samples: readonly Row[] }
  /** The warehouse refused the query of the test: it neither passed nor failed. */
  | { readonly kind: 'broken'; readonly check: Check; readonly error: Error }

const checksPerStatement = 50

/** The checks of one relation in their order, each with its result. Counts share statements; samples are fetched for what failed. */
export async function runChecks(
  warehouse: Warehouse,
  relation: string,
  checks: readonly Check[],
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for (let from = 0; from < checks.length; from += checksPerStatement) {
    results.push(...(await runTogether(warehouse, relation, checks.slice(from, from + checksPerStatement))))
  }
  return results
}

/** One statement for all; should it fail, one for each, so that the failure gets the name of its test. */
async function runTogether(
  warehouse: Warehouse,
  relation: string,
  checks: readonly Check[],
): Promise<readonly CheckResult[]> {
  try {
    const counts = await countTogether(warehouse, relation, checks)
    return await inTurn(checks, (check, index) => resultOf(warehouse, check, counts[index] ?? Number.NaN))
  } catch (error) {
    const [check, ...others] = checks
    if (check === undefined) throw error
    if (others.length === 0) return [{ kind: 'broken', check, error: asError(error) }]
    return (await inTurn(checks, each => runTogether(warehouse, relation, [each]))).flat()
  }
}

/** Tests that look at the row alone share one scan of the relation; the others need one each. */
async function countTogether(
  warehouse: Warehouse,
  relation: string,
  checks: readonly Check[],
): Promise<readonly number[]> {
  const named = checks.map((check, index) => ({ check, name: raw(`c${index}`) }))
  const tallies = named.flatMap(({ check, name }) =>
    check.tally === undefined ? [] : [sql`${check.tally} as ${name}`],
  )
  const counts = named.map(({ check, name }) => (check.tally === undefined ? sql`(${check.count}) as ${name}` : name))
  const shared =
    tallies.length === 0
      ? raw('')
      : sql` from (select ${join(tallies, ', ')} from ${raw(relation)} as tested) as shared`
  const [row = {}] = await ask(warehouse, sql`select ${join(counts, ', ')}${shared}`)
  return checks.map((_, index) => Number(row[`c${index}`] ?? Number.NaN))
}

async function resultOf(warehouse: Warehouse, check: Check, offending: number): Promise<CheckResult> {
  if (offending === 0) return { kind: 'passed', check }
  if (Number.isNaN(offending)) throw new Error(`the warehouse gave no count for ${check.id}`)
  return { kind: 'failed', check, offending, samples: await ask(warehouse, check.samples) }
}

function ask(warehouse: Warehouse, question: Fragment): Promise<readonly Row[]> {
  return warehouse.query(render(question, warehouse.dialect.placeholder))
}

async function inTurn<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  for (const [index, item] of items.entries()) results.push(await work(item, index))
  return results
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** What is wrong when a check did not pass; undefined when it did. Says how many rows, never which: they may be people. */
export function checkProblem(result: CheckResult, owner: string): Problem | undefined {
  if (result.kind === 'passed') return undefined
  const { describes, place } = result.check
  if (result.kind === 'broken') {
    const message = `${owner}: the test "${describes}" could not be computed: ${result.error.message}`
    return { code: 'A2025' satisfies ModelsCode, message, place }
  }
  const rows = result.offending === 1 ? '1 row offends' : `${result.offending} rows offend`
  const help = `\`activate test --select ${owner}\` shows some of them`
  return { code: 'A2022' satisfies ModelsCode, message: `${owner}: "${describes}" does not hold: ${rows}`, place, help }
}

export interface ContractResult {
  /** Missing columns and types that differ. */
  readonly problems: readonly Problem[]
  /** Empty when a column is missing: its tests could not be asked. */
  readonly results: readonly CheckResult[]
}

/** Columns first, then tests, of a contract over `relation` (SQL text to select from). */
export async function checkContract(
  warehouse: Warehouse,
  relation: string,
  contract: Contract,
  scope: ContractScope,
): Promise<ContractResult> {
  const described = await warehouse.describe(`select * from ${relation} as described`)
  const problems = checkColumns(contract.columns, described)
  if (problems.some(problem => problem.code === ('A2020' satisfies ModelsCode))) return { problems, results: [] }
  const checks = contractChecks(warehouse.dialect, relation, contract, scope)
  return { problems, results: await runChecks(warehouse, relation, checks) }
}
