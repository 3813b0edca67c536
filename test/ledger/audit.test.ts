import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AuditVerdict } from '../../src/ledger/governance.ts'
import { type ledgerOver, openLedger } from '../../src/ledger/store.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'activate-audit-'))
  path = join(folder, 'ledger.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Opens the ledger, does one thing with it and closes it again. */
async function withLedger<Result>(work: (ledger: ReturnType<typeof ledgerOver>) => Promise<Result>): Promise<Result> {
  const ledger = await openLedger({ type: 'sqlite', path })
  try {
    return await work(ledger)
  } finally {
    await ledger.close()
  }
}

const holdFive = () =>
  withLedger(async ledger => {
    for (let at = 1; at <= 5; at++) await ledger.hold({ scope: `sync:s${at}`, reason: 'why', actor: 'ada', at })
  })

function tamper(...statements: readonly string[]): void {
  const connection = new Sqlite(path)
  try {
    for (const statement of statements) connection.exec(statement)
  } finally {
    connection.close()
  }
}

const verdict = (): Promise<AuditVerdict> => withLedger(ledger => ledger.verifyAudit())

describe('the audit table', () => {
  beforeEach(holdFive)

  test('refuses to have an entry changed or deleted', () => {
    expect(() => tamper("update audit set actor = 'eve' where ordinal = 2")).toThrow('stay as they are')
    expect(() => tamper('delete from audit where ordinal = 2')).toThrow('stay as they are')
  })

  const withoutTriggers = ['drop trigger audit_refuses_update', 'drop trigger audit_refuses_delete']

  test.each([
    ['a changed entry', "update audit set actor = 'eve' where ordinal = 2", 2, 'it was changed'],
    ['an entry taken out of the middle', 'delete from audit where ordinal = 3', 3, 'it is gone'],
    ['the last entry taken away', 'delete from audit where ordinal = 5', 5, '1 at the end are gone'],
    ['a lost head record', 'delete from audit_head', 5, 'the head record is gone'],
    ['a head record set back', 'update audit_head set entries = 4', 5, 'it was added without the head record'],
    ['everything taken away', 'delete from audit', 1, '5 at the end are gone'],
  ])('gives away %s, when somebody gets past the triggers', async (_what, statement, ordinal, because) => {
    tamper(...withoutTriggers, statement)
    expect(await verdict()).toEqual({ kind: 'broken', ordinal, because })
  })
})

test('holds whatever text it is given, and verifies afterwards', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), texts =>
      withLedger(async ledger => {
        for (const text of texts) {
          const scope = `sync:${text}`
          await ledger.hold({ scope, reason: text, actor: `\ud800${text}`, at: 1 })
          await ledger.releaseHold(scope, { reason: text, actor: text, at: 2 })
        }
        expect(await ledger.verifyAudit()).toMatchObject({ kind: 'ok' })
      }),
    ),
    { numRuns: 20 },
  ))
