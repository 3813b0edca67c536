/** Sources that a night reads one time, into scratch tables, instead of wherever a model names them. */
import type { Source } from '../project/project.ts'
import type { Dialect } from '../warehouse/dialect.ts'
import { raw } from '../warehouse/sql.ts'

export interface SourceOptions {
  readonly dialect: Dialect
  /** Schema of the state tables: parts for `dialect.relation`. */
  readonly state: readonly string[]
  /**
   * Reads each CSV source once, into a scratch table that all models of a night share: finding out what a CSV holds costs
   * more than reading it, and a file that is replaced midway must not be seen half old and half new. Views outlive the
   * night and go on reading the file itself.
   *
   * A source that quarantines rows is read into such a table whatever it is, so that they can be taken out of it.
   */
  readonly stageFiles?: boolean
  /** Where the warehouse reads no files itself, loads each CSV source into a scratch table, so that no seed has to stand ready. */
  readonly loadFiles?: boolean
}

export interface StagedSource {
  readonly relation: string
  readonly statements: readonly string[]
  /** Set when the file goes in from here, which one of the statements stands for. */
  readonly load?: {
    readonly statement: string
    readonly source: Source
    readonly path: string
    readonly scratch: string
  }
}

/** At most one, by its name. */
export function stagedSource(source: Source, options: SourceOptions): readonly (readonly [string, StagedSource])[] {
  const { dialect, stageFiles, loadFiles } = options
  const scratch = `source__${source.name}`
  const relation = dialect.scratch(scratch)
  if (stageFiles !== true && loadFiles !== true) return []
  const isReadHere = 'csv' in source.from && dialect.fileRelation(source.from) !== undefined
  if (loadFiles === true && 'csv' in source.from && !isReadHere) {
    const statement = `-- load ${JSON.stringify(source.name)} from its file`
    const load = { statement, source, path: source.from.csv, scratch }
    return [[source.name, { relation, statements: [statement], load }]]
  }
  if (stageFiles !== true || (!isReadHere && !losesRows(source))) return []
  const select = raw(`select * from ${sourceRelation(source, options)}`)
  const create = dialect.createTableAs(relation, select, { scratch: true })
  return [[source.name, { relation, statements: [`drop table if exists ${relation}`, ...create.texts] }]]
}

/** Whether single rows of a source may be put into quarantine: a test of the whole relation names none. */
export function losesRows({ onViolation, columns }: Source): boolean {
  return onViolation === 'quarantine' && columns.some(({ tests }) => tests.length > 0)
}

/** What a model selects from where the source is read as it stands. */
export function sourceRelation({ from, name, columns }: Source, { dialect, state }: SourceOptions): string {
  if ('table' in from) return dialect.relation(from.table)
  const typed = columns.flatMap(column => (column.type === undefined ? [] : [{ name: column.name, type: column.type }]))
  const relation = typed.length === 0 ? dialect.fileRelation(from) : dialect.fileRelation(from, typed)
  return relation ?? dialect.relation([...state, `seed__${name}`])
}
