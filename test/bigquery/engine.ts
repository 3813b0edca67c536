/**
 * What BigQuery computes, as far as this tool asks: tables in memory, queries by ZetaSQL's evaluator. Every statement passes the
 * analyser first. The evaluator knows no DDL and crashes at an INSERT, so what changes a table is computed as the select of the
 * rows that the table has afterwards.
 */
import { refusedOuterJoins } from '../engines/outer-joins.ts'
import {
  startZetaSql,
  type ZetaColumn,
  type ZetaParameter,
  type ZetaResult,
  type ZetaSql,
  type ZetaTable,
} from '../engines/zetasql.ts'
import { bytesOfColumn, type Reading, readOf, rowsRead, type Scan, totalOf } from './bytes.ts'
import { find, formOf, listedSelects, outermost, splitAt, unquoted } from './text.ts'
import { coerced, isNull, typeNamed } from './values.ts'

export interface StoredTable {
  readonly kind: 'TABLE' | 'VIEW' | 'SNAPSHOT' | 'EXTERNAL'
  readonly columns: readonly ZetaColumn[]
  readonly rows: ZetaResult['rows']
  /** What a view selects. */
  readonly select?: string
  /** The column by whose ranges the table is partitioned. */
  readonly partitionedBy?: string
  /** What else `tables.get` says of it, such as its streaming buffer. */
  readonly more?: object
}

/** With BigQuery's `reason`. */
export class EngineError extends Error {
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** From so many rows of a table on, how often something is computed matters. */
const manyRows = 50

const nothing: ZetaResult = { columns: [], rows: [] }

export class Engine {
  readonly project: string
  /** By `dataset.table`. Replaced, never changed, so that a copy of the map is a snapshot. */
  tables = new Map<string, StoredTable>()
  /** Tables whose rows nobody may read. */
  readonly refused = new Set<string>()
  /** Locations by dataset. */
  readonly datasets = new Map<string, string>()
  #zeta: Promise<ZetaSql>
  readonly #shapes = new Set<string>()
  /** By the form of a statement, its tables: which of its quoted names they are, or how they are written otherwise. */
  readonly #tablesOfForm = new Map<string, readonly (number | string)[]>()
  readonly #evaluated = new Map<string, ZetaResult>()
  #writing: Promise<unknown> = Promise.resolve()

  constructor(project: string) {
    this.project = project
    this.#zeta = startZetaSql()
  }

  async stop(): Promise<void> {
    await (await this.#zeta).stop()
  }

  /** Ends what is being computed, and everything beside it. */
  async restart(): Promise<void> {
    const old = await this.#zeta
    this.#zeta = startZetaSql()
    await old.stop()
  }

  /** Writers wait for one another; readers see what is there. */
  execute(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    if (isRead(sql)) return this.#read(sql, parameters)
    const work = this.#writing.then(() => this.#script(sql, parameters))
    this.#writing = work.catch(() => undefined)
    return work
  }

  /** What the result of a query would look like. */
  async describe(sql: string): Promise<readonly ZetaColumn[]> {
    const whole = this.#wholeTable(sql)
    if (whole !== undefined) return whole.table.columns
    const tables = await this.#tablesIn(sql, false)
    return (await this.#evaluate(sql, tables, [])).columns
  }

  /** The table that a select reads as it is, which there is nothing to analyse about. */
  #wholeTable(sql: string): { readonly name: string; readonly table: StoredTable } | undefined {
    const name = this.#local(unquoted(/^select \* from (`[^`\\]*`)(?: as \w+)?$/.exec(sql)?.[1] ?? ''))
    const table = this.tables.get(name)
    return table === undefined || this.refused.has(name) ? undefined : { name, table }
  }

  /** Bytes of all that a statement's tables hold: no less than it reads. */
  async mostBytes(sql: string): Promise<number> {
    const tables = (await this.#written(sql)).map(name => this.tables.get(this.#local(name)))
    // What a view reads is not known without a closer look.
    if (tables.some(table => table?.kind === 'VIEW')) return Number.POSITIVE_INFINITY
    return tables.reduce(
      (sum, table) =>
        sum + (table?.columns ?? []).reduce((all, { name }) => all + (table ? bytesOfColumn(table, name) : 0), 0),
      0,
    )
  }

  async bytesRead(sql: string, parameters: readonly ZetaParameter[] = []): Promise<number> {
    return totalOf(await this.scans(sql, parameters))
  }

  /** What a statement, or each of a script's, reads of each table, as it is now. */
  async scans(sql: string, parameters: readonly ZetaParameter[] = []): Promise<readonly Scan[]> {
    const scans: Scan[] = []
    for (const statement of splitAt(sql, ';')) scans.push(...(await this.#scansOf(statement, parameters)))
    return scans
  }

  async #scansOf(sql: string, parameters: readonly ZetaParameter[]): Promise<readonly Scan[]> {
    const [first = ''] = outermost(sql).map(({ text }) => text.toLowerCase())
    const as = first === 'create' ? find(sql, 'as') : undefined
    const isQuery = isRead(sql) || as !== undefined
    if (!isQuery && !['insert', 'delete', 'update'].includes(first)) return []
    const text = as === undefined ? sql : sql.slice(as.to)
    const read = this.#wholeTable(text)
    if (read !== undefined) return this.#scanOf(read.name, undefined)
    const known = await this.#tablesIn(text, false)
    const used = parameters.filter(({ name }) => new RegExp(`@${name}\\b`).test(text))
    const zeta = await this.#zeta
    const { tables, changed } = readOf(await invalidUnlessDone(() => zeta.analyze(text, known, used)))
    const whole = changed === undefined ? [] : [[changed, undefined] as const]
    const scans: Scan[] = []
    for (const [name, reading] of [...whole, ...[...tables].filter(([table]) => table !== changed)])
      scans.push(...(await this.#scanOf(name, reading)))
    return scans
  }

  /** Of a view, what its select reads; all of a table where no reading is told. */
  async #scanOf(name: string, reading: Reading | undefined): Promise<readonly Scan[]> {
    const table = this.tables.get(this.#local(name))
    if (table === undefined) return []
    if (table.select !== undefined) return this.scans(table.select)
    const { columns, partitionedBy } = table
    const names = reading === undefined ? columns.map(column => column.name) : [...reading.columns]
    const rows =
      partitionedBy === undefined || reading === undefined ? table.rows : rowsRead(table, partitionedBy, reading)
    const sizes = names.map(column => [column, bytesOfColumn({ columns, rows }, column)] as const)
    return [{ table: this.#local(name), rows: rows.length, columns: Object.fromEntries(sizes) }]
  }

  /** The tables that a statement reads, through views. */
  async tablesBehind(sql: string): Promise<readonly string[]> {
    const names = (await this.#written(sql)).map(name => this.#local(name))
    const behind: string[] = []
    for (const name of names) {
      const select = this.tables.get(name)?.select
      behind.push(...(select === undefined ? [name] : await this.tablesBehind(select)))
    }
    return [...new Set(behind)]
  }

  async #script(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const statements = splitAt(sql, ';')
    const before = new Map(this.tables)
    let result = nothing
    try {
      let inTransaction = false
      for (const statement of statements) {
        inTransaction = /^begin\b/i.test(statement) || (inTransaction && !/^commit\b/i.test(statement))
        if (inTransaction && /^(create|drop|alter)\b/i.test(statement))
          throw new EngineError('invalidQuery', 'DDL on permanent entities is not supported in a transaction')
        result = await this.#statement(statement, parameters)
      }
    } catch (error) {
      this.tables = before
      throw error
    }
    return result
  }

  async #statement(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    if (isRead(sql)) return this.#read(sql, parameters)
    if (/^(begin|commit) transaction$/i.test(sql)) return nothing
    const [first = '', second = ''] = outermost(sql).map(({ text }) => text.toLowerCase())
    if (first === 'create' || first === 'drop') return this.#define(sql, parameters)
    if (first === 'alter') return this.#alter(sql)
    await this.#analyze(sql, parameters)
    switch (first) {
      case 'insert':
        return this.#insert(sql, parameters)
      case 'update':
        return this.#update(sql, parameters)
      case 'delete':
        return this.#delete(sql, parameters)
      default:
        throw new EngineError('invalidQuery', `this server knows no ${first} ${second}`)
    }
  }

  async #read(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const tables = await this.#tablesIn(sql, true)
    const used = parameters.filter(({ name }) => new RegExp(`@${name}\\b`).test(sql))
    // Evaluating analyses as well; only outer joins need to be looked at apart from that.
    if (/\b(left|right|full)\b/i.test(sql)) await this.#analyze(sql, used, tables)
    if (tables.every(({ rows = [] }) => rows.length < manyRows)) return this.#evaluate(sql, tables, used)
    const { text, lists } = await this.#listed(sql, parameters)
    if (lists.length > 0) await this.#analyze(sql, used, tables)
    return this.#evaluate(text, [...tables, ...lists], used)
  }

  /** The evaluator computes the select of an `in` anew for every row. One that depends on no row is computed once, and stands there as a table. */
  async #listed(
    sql: string,
    parameters: readonly ZetaParameter[],
  ): Promise<{ readonly text: string; readonly lists: readonly ZetaTable[] }> {
    const lists: ZetaTable[] = []
    let text = ''
    let done = 0
    for (const { from, to } of listedSelects(sql)) {
      const list = await this.#alone(sql.slice(from, to), parameters)
      const [column] = list?.columns ?? []
      if (list === undefined || column === undefined) continue
      const name = `listed__${lists.length}`
      lists.push({ path: [name], columns: [{ name: 'c', type: column.type }], rows: list.rows })
      text += `${sql.slice(done, from)}select c from \`${name}\``
      done = to
    }
    return { text: text + sql.slice(done), lists }
  }

  /** Undefined for a select that has to be read within its statement. */
  async #alone(select: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult | undefined> {
    try {
      return await this.#read(select, parameters)
    } catch (error) {
      if (error instanceof EngineError) return undefined
      throw error
    }
  }

  async #evaluate(
    sql: string,
    tables: readonly ZetaTable[],
    parameters: readonly ZetaParameter[],
  ): Promise<ZetaResult> {
    const known = keyOf(sql, tables, parameters)
    const before = known === undefined ? undefined : this.#evaluated.get(known)
    if (before !== undefined) return before
    const zeta = await this.#zeta
    const result = await invalidUnlessDone(() => zeta.evaluate(sql, tables, parameters))
    if (this.#evaluated.size > 2_000) this.#evaluated.clear()
    if (known !== undefined) this.#evaluated.set(known, result)
    return result
  }

  async #analyze(sql: string, parameters: readonly ZetaParameter[], tables?: readonly ZetaTable[]): Promise<void> {
    const shape = this.#shapeOf(sql, parameters)
    if (this.#shapes.has(shape)) return
    const known = tables ?? (await this.#tablesIn(sql, false))
    const zeta = await this.#zeta
    const used = parameters.filter(({ name }) => new RegExp(`@${name}\\b`).test(sql))
    const resolved = await invalidUnlessDone(() => zeta.analyze(sql, known, used))
    const [refused] = refusedOuterJoins(resolved)
    if (refused === undefined) {
      this.#shapes.add(shape)
      return
    }
    const rule = 'cannot be used without a condition that is an equality of fields from both sides of the join.'
    throw new EngineError('invalidQuery', `${refused} OUTER JOIN ${rule}\n${sql}`)
  }

  /** The same for statements that only name other tables of the same columns: one of them is analysed, for time's sake. */
  #shapeOf(sql: string, parameters: readonly ZetaParameter[]): string {
    const tables = sql.replace(/`(?:\\.|[^`\\])*`/g, name => {
      const columns = this.tables.get(this.#local(unquoted(name)))?.columns
      if (columns !== undefined) return columns.map(column => `${column.name} ${column.type.typeKind}`).join()
      return name.includes('.') ? '`new`' : name
    })
    return `${tables} ${parameters.map(({ type }) => type.typeKind).join()}`
  }

  /** Names of tables as a statement has them. Statements of one form have them in the same places: one is parsed, for time's sake. */
  async #written(sql: string): Promise<readonly string[]> {
    const { form, names } = formOf(sql)
    const known = this.#tablesOfForm.get(form)
    if (known !== undefined) return known.map(place => (typeof place === 'string' ? place : (names[place] ?? '')))
    const zeta = await this.#zeta
    const paths = await invalidUnlessDone(() => zeta.tablesOf(sql))
    const tables = [...new Set(paths.map(path => path.join('.')))]
    this.#tablesOfForm.set(
      form,
      tables.map(table => (names.includes(table) ? names.indexOf(table) : table)),
    )
    return tables
  }

  #local(name: string): string {
    return name.startsWith(`${this.project}.`) ? name.slice(this.project.length + 1) : name
  }

  /** The tables of a statement, under the names that it has for them, with rows if they are wanted. */
  async #tablesIn(sql: string, withRows: boolean): Promise<readonly ZetaTable[]> {
    const names = await this.#written(sql)
    const tables: ZetaTable[] = []
    for (const name of names) {
      const { columns, rows } = await this.#contents(name, withRows)
      tables.push({ path: [name], columns, rows: withRows ? rows : [] })
    }
    return tables
  }

  async #contents(name: string, withRows: boolean): Promise<ZetaResult> {
    const local = this.#local(name)
    const table = this.tables.get(local)
    if (this.refused.has(local))
      throw new EngineError(
        'accessDenied',
        `Access Denied: Table ${this.project}:${local}: User does not have bigquery.tables.getData permission for table ${this.project}:${local}`,
      )
    if (table !== undefined) return table.select === undefined || !withRows ? table : this.#read(table.select, [])
    const parts = local.split('.')
    if (parts.length < 2)
      throw new EngineError('invalid', `Table "${name}" must be qualified with a dataset (e.g. dataset.table).`)
    const dataset = parts.at(-2) ?? ''
    const what = this.datasets.has(dataset) ? `Table ${this.project}:${local}` : `Dataset ${this.project}:${dataset}`
    throw new EngineError(
      'notFound',
      `Not found: ${what} was not found in location ${[...this.datasets.values()][0] ?? 'US'}`,
    )
  }

  async #define(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const words = outermost(sql)
    const name = this.#local(unquoted(words.find(({ text }) => text.startsWith('`'))?.text ?? ''))
    const before = sql.slice(0, words.find(({ text }) => text.startsWith('`'))?.from).toLowerCase()
    const kind = before.includes('view') ? 'VIEW' : before.includes('snapshot') ? 'SNAPSHOT' : 'TABLE'
    const old = this.tables.get(name)
    if (before.startsWith('drop')) {
      if (old === undefined && !before.includes('if exists'))
        throw new EngineError('notFound', `Not found: Table ${this.project}:${name}`)
      if (old !== undefined && old.kind !== kind)
        throw new EngineError('invalid', `${this.project}:${name} is of type ${old.kind}`)
      this.tables.delete(name)
      return nothing
    }
    if (old !== undefined && before.includes('if not exists')) return nothing
    if (old !== undefined && !before.includes('or replace'))
      throw new EngineError('duplicate', `Already Exists: Table ${this.project}:${name}`)
    if (old !== undefined && old.kind !== kind)
      throw new EngineError(
        'invalidQuery',
        `${this.project}:${name} is not allowed for this operation because it is of type ${old.kind}`,
      )
    this.tables.set(name, await this.#defined(sql, kind, parameters))
    return nothing
  }

  async #defined(
    sql: string,
    kind: 'TABLE' | 'VIEW' | 'SNAPSHOT',
    parameters: readonly ZetaParameter[],
  ): Promise<StoredTable> {
    const clone = find(sql, 'clone')
    if (clone !== undefined) {
      await this.#analyze(sql, [])
      const [, from = ''] = /^\s*(`(?:\\.|[^`\\])*`)/.exec(sql.slice(clone.to)) ?? []
      const { columns, rows } = this.#target(from).table
      return { kind, columns, rows }
    }
    const as = find(sql, 'as')
    if (as === undefined) {
      await this.#analyze(sql, [])
      const list = withinParentheses(sql)
      const columns = splitAt(list, ',').map(text => {
        const [, name = '', type = ''] = /^(`(?:\\.|[^`\\])*`|\w+)\s+(.*)$/s.exec(text) ?? []
        return { name: unquoted(name), type: typeNamed(type) }
      })
      return { kind: 'TABLE', columns, rows: [] }
    }
    const select = sql.slice(as.to)
    // The select is analysed where it is computed; what stands before it, once for each of its kinds.
    const [, partitioning] = /^[^(]*\bpartition by range_bucket\((`[^`]*`)/i.exec(sql.slice(0, as.from)) ?? []
    const one = partitioning ?? 'one'
    await this.#analyze(`${sql.slice(0, as.to)} select 1 as ${one}`, [])
    const layout = partitioning === undefined ? {} : { partitionedBy: unquoted(partitioning) }
    if (kind === 'VIEW') return { kind: 'VIEW', select, columns: await this.describe(select), rows: [] }
    return { kind: 'TABLE', ...layout, ...(await this.#read(select, parameters)) }
  }

  #target(sql: string): {
    readonly name: string
    readonly table: StoredTable
    readonly quoted: string
    readonly end: number
  } {
    const word = outermost(sql).find(({ text }) => text.startsWith('`'))
    const name = this.#local(unquoted(word?.text ?? ''))
    const table = this.tables.get(name)
    if (word === undefined || table === undefined) throw new EngineError('notFound', `Not found: Table ${name}`)
    return { name, table, quoted: word.text, end: word.to }
  }

  async #insert(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const { name, table, end } = this.#target(sql)
    const rest = sql.slice(end).trim()
    const columns = rest.startsWith('(') ? rest.slice(1, rest.indexOf(')')) : undefined
    const names = columns === undefined ? table.columns.map(each => each.name) : splitAt(columns, ',').map(unquoted)
    const source = columns === undefined ? rest : rest.slice(rest.indexOf(')') + 1).trim()
    const result = await this.#read(/^values\b/i.test(source) ? selectOfValues(source) : source, parameters)
    const places = table.columns.map(column =>
      names.findIndex(each => each.toLowerCase() === column.name.toLowerCase()),
    )
    const added = result.rows.map(row =>
      table.columns.map((column, index) => {
        const place = places[index] ?? -1
        const from = result.columns[place]?.type
        return from === undefined ? {} : coerced(row[place] ?? {}, from, column.type)
      }),
    )
    this.tables.set(name, { ...table, rows: [...table.rows, ...added] })
    return nothing
  }

  async #delete(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const { name, table, quoted, end } = this.#target(sql)
    const where = find(sql, 'where')
    if (where === undefined) throw new EngineError('invalidQuery', 'DELETE must have a WHERE clause')
    if (table.rows.length === 0) return nothing
    const alias = sql.slice(end, where.from)
    const kept = `select * from ${quoted} ${alias} where (${sql.slice(where.to)}) is not true`
    this.tables.set(name, { ...table, rows: (await this.#read(kept, parameters)).rows })
    return nothing
  }

  /** `update t as q set a = …, b = … [from f] where …`: at most one row of `f` may match each of `t`. */
  async #update(sql: string, parameters: readonly ZetaParameter[]): Promise<ZetaResult> {
    const { name, table, quoted, end } = this.#target(sql)
    const [set, from, where] = ['set', 'from', 'where'].map(word => find(sql, word))
    if (set === undefined || where === undefined)
      throw new EngineError('invalidQuery', 'UPDATE must have a WHERE clause')
    if (table.rows.length === 0) return nothing
    const alias =
      sql
        .slice(end, set.from)
        .replace(/^\s*as\s/i, '')
        .trim() || 'target__'
    const condition = sql.slice(where.to)
    const values = new Map(
      splitAt(sql.slice(set.to, (from ?? where).from), ',').map(part => {
        const at = part.indexOf('=')
        return [unquoted(part.slice(0, at).trim()).toLowerCase(), part.slice(at + 1)] as const
      }),
    )
    const cells = table.columns.map(({ name: column }, index) => {
      const value = values.get(column.toLowerCase())
      const old = `${alias}.\`${column}\``
      return `${value === undefined ? old : `if(hit__, ${value}, ${old})`} as c${index}`
    })
    const other = from === undefined ? undefined : sql.slice(from.to, where.from).trim()
    const select =
      other === undefined
        ? `select ${cells.join(', ')} from (select *, (${condition}) is true as hit__ from ${quoted} ${alias}) ${alias}`
        : `with numbered__ as (select *, row_number() over () as place__ from ${quoted}), hits__ as (select ${alias}.place__, ${[...values.values()].map((value, index) => `${value} as v${index}`).join(', ')} from numbered__ ${alias}, ${other} where ${condition})
select hits__.place__, ${table.columns
            .map(({ name: column }, index) => {
              const value = [...values.keys()].indexOf(column.toLowerCase())
              const old = `numbered__.\`${column}\``
              return `${value < 0 ? old : `if(hits__.place__ is null, ${old}, hits__.v${value})`} as c${index}`
            })
            .join(', ')} from numbered__ left join hits__ on hits__.place__ = numbered__.place__`
    const result = await this.#read(select, parameters)
    const skipped = other === undefined ? 0 : 1
    if (result.rows.length !== table.rows.length)
      throw new EngineError('invalidQuery', 'UPDATE/MERGE must match at most one source row for each target row')
    const rows = result.rows.map(row =>
      table.columns.map((column, index) => {
        const value = row[index + skipped] ?? {}
        return isNull(value) ? value : coerced(value, result.columns[index + skipped]?.type ?? column.type, column.type)
      }),
    )
    this.tables.set(name, { ...table, rows })
    return nothing
  }

  async #alter(sql: string): Promise<ZetaResult> {
    const { name, table, end } = this.#target(sql)
    await this.#analyze(sql, [], [{ path: [name], columns: table.columns }])
    const [, column = '', type = ''] = /^\s*add column\s+(`(?:\\.|[^`\\])*`|\w+)\s+(.*)$/is.exec(sql.slice(end)) ?? []
    const columns = [...table.columns, { name: unquoted(column), type: typeNamed(type) }]
    this.tables.set(name, { ...table, columns, rows: table.rows.map(row => [...row, {}]) })
    return nothing
  }
}

/** What a query's result depends on; undefined where that is more, or too much to keep. */
function keyOf(sql: string, tables: readonly ZetaTable[], parameters: readonly ZetaParameter[]): string | undefined {
  if (/\b(rand|generate_uuid|current_\w+)\b/i.test(sql)) return undefined
  if (tables.reduce((sum, { rows = [] }) => sum + rows.length, 0) > 100) return undefined
  return JSON.stringify([sql, tables, parameters], (_, value: unknown) =>
    typeof value === 'number' ? textOf(value) : value,
  )
}

/** JSON knows neither NaN nor infinities, and no sign of zero. */
function textOf(number: number): string {
  return Object.is(number, -0) ? '-0' : String(number)
}

function isRead(sql: string): boolean {
  return /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:select|with|\()/i.test(sql)
}

/** What stands within the first parentheses. */
function withinParentheses(sql: string): string {
  const [open, close] = ['(', ')'].map(mark => outermost(sql).find(({ text }) => text === mark))
  return open === undefined || close === undefined ? '' : sql.slice(open.to, close.from)
}

/** `values (…), (…)` as a select. */
function selectOfValues(source: string): string {
  return splitAt(source.replace(/^values\b/i, ''), ',')
    .map(row => `select ${row.slice(1, -1)}`)
    .join(' union all ')
}

async function invalidUnlessDone<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new EngineError('invalidQuery', error instanceof Error ? error.message : String(error))
  }
}
