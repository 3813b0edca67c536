import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openLedger } from '../../src/ledger/store.ts'
import { describeLedger } from '../conformance/ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'activate-ledger-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describeLedger('SQLite', () => openLedger({ type: 'sqlite', path: join(folder, 'ledger.db') }))
