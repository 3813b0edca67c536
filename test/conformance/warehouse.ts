/**
 * What a warehouse has to do, whichever it is. The same rows, the same texts: a project may change its warehouse and
 * nobody's payload changes with it.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { describeExpressions } from './warehouse/expressions.ts'
import { describeForms } from './warehouse/forms.ts'
import { describeKeysAndHashes } from './warehouse/keys-and-hashes.ts'
import { describeLoading } from './warehouse/loading.ts'
import { describeStatements } from './warehouse/statements.ts'
import { describeStreams } from './warehouse/streams.ts'
import { type Abilities, type OpenedWarehouse, trialOf } from './warehouse/trial.ts'

export function describeWarehouse(name: string, open: () => Promise<OpenedWarehouse>, abilities: Abilities): void {
  describe(name, () => {
    let opened: OpenedWarehouse
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened.cleanup())

    const trial = trialOf(() => opened.warehouse, open, abilities)
    describeForms(trial)
    describeKeysAndHashes(trial)
    describeExpressions(trial)
    describeStatements(trial)
    describeLoading(trial)
    describeStreams(trial)
  })
}
