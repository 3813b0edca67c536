/**
 * A rule of BigQuery that its analyser does not know: an outer join needs an equality of columns of both sides ("LEFT OUTER JOIN cannot
 * be used without a condition that is an equality of fields from both sides of the join").
 */
import type { Message } from './zetasql.ts'

/** The kinds of outer joins of a resolved statement that BigQuery would refuse. */
export function refusedOuterJoins(resolved: unknown): readonly string[] {
  const refused: string[] = []
  for (const node of nodesWith(resolved, 'joinExpr')) {
    const kind = String(node.joinType ?? 'INNER')
    if (kind === 'INNER') continue
    const [left, right] = [columnsOf(node.leftScan), columnsOf(node.rightScan)]
    const equalities = conjuncts(node.joinExpr).filter(({ name }) => name === 'ZetaSQL:$equal')
    const joins = equalities.some(({ args }) => {
      const [one, other] = args.map(columnsOf)
      if (one === undefined || other === undefined) return false
      return (isWithin(one, left) && isWithin(other, right)) || (isWithin(one, right) && isWithin(other, left))
    })
    if (!joins) refused.push(kind)
  }
  return refused
}

function isWithin(columns: ReadonlySet<string>, side: ReadonlySet<string>): boolean {
  return columns.size > 0 && [...columns].every(column => side.has(column))
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value)
}

function* nodesWith(value: unknown, member: string): Generator<Message> {
  if (!isMessage(value)) return
  if (!Array.isArray(value) && value[member] !== undefined && value[member] !== null) yield value
  for (const inner of Object.values(value)) yield* nodesWith(inner, member)
}

/** Ids of all columns that are mentioned. */
function columnsOf(value: unknown): ReadonlySet<string> {
  return new Set([...nodesWith(value, 'columnId')].map(({ columnId }) => String(columnId)))
}

interface FunctionCall {
  readonly name: string
  readonly args: readonly unknown[]
}

function conjuncts(expression: unknown): readonly FunctionCall[] {
  const base = isMessage(expression) ? expression.resolvedFunctionCallBaseNode : undefined
  const node = isMessage(base) ? base.resolvedFunctionCallNode : undefined
  const parent = isMessage(node) ? node.parent : undefined
  if (!isMessage(parent) || !isMessage(parent.function)) return []
  const call = { name: String(parent.function.name), args: (parent.argumentList ?? []) as readonly unknown[] }
  return call.name === 'ZetaSQL:$and' ? call.args.flatMap(conjuncts) : [call]
}
