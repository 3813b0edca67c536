import type { Fragment } from '../../warehouse/sql.ts'
import { raw } from '../../warehouse/sql.ts'
import type { Warehouse } from '../../warehouse/warehouse.ts'
import { execute, writeScratch } from '../stage.ts'

/** The scratch tables of one resolution. Each is dropped as soon as nothing reads it: with millions of links it is large. */
export interface Scratch {
  readonly warehouse: Warehouse
  write(part: string, select: Fragment): Promise<Fragment>
  drop(...relations: readonly Fragment[]): Promise<void>
  /** Drops all that were written, but for these. */
  clear(...kept: readonly Fragment[]): Promise<void>
}

export function openScratch(warehouse: Warehouse, name: string): Scratch {
  const standing = new Set<string>()
  const drop = async (relation: string) => {
    await execute(warehouse, raw(`drop table if exists ${relation}`))
    standing.delete(relation)
  }
  return {
    warehouse,
    async write(part, select) {
      const table = `identity_${part}__${name}`
      standing.add(warehouse.dialect.scratch(table))
      return writeScratch(warehouse, table, select)
    },
    async drop(...relations) {
      for (const { texts } of relations) await drop(texts.join(''))
    },
    async clear(...kept) {
      const names = kept.map(({ texts }) => texts.join(''))
      for (const relation of [...standing].filter(table => !names.includes(table))) await drop(relation)
    },
  }
}
