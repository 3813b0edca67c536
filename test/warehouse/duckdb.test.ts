import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckdb } from '../../src/warehouse/duckdb.ts'
import { describeWarehouse } from '../conformance/warehouse.ts'

async function open() {
  const folder = await mkdtemp(join(tmpdir(), 'activate-duckdb-'))
  const path = join(folder, 'state', 'warehouse.duckdb')
  const warehouse = await openDuckdb({ type: 'duckdb', path, state: 'activate', attach: {}, memory: '1GB' })
  const cleanup = async () => {
    await warehouse.close()
    await rm(folder, { recursive: true })
  }
  return { warehouse, cleanup }
}

describeWarehouse('DuckDB', open)
