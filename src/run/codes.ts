import type { ErrorCodes } from '../project/problem.ts'

/** Errors of the pipeline itself. */
export const runCodes = {
  A9001: {
    title: 'another runner holds this sync',
    explanation:
      'A run holds a lease on its sync, so that two runners never plan or send the same changes. The message names the process and the latest moment at which the lease ends. A runner that has died on the same host is taken over at once; one on another host when its lease ends.',
    exit: 'locked',
  },
  A9002: {
    title: 'an earlier run could not be settled',
    explanation:
      'An earlier run left requests whose outcome is recorded, but its outbox is missing from the warehouse, so that the snapshot cannot take them in. This happens when the warehouse file was deleted or replaced. Restore it, or start with a fresh ledger as well.',
    exit: 'failed',
  },
  A9003: {
    title: 'a defect in the tool ended a run',
    explanation:
      'Something happened that the tool did not foresee. The run ended and its sync stays as it was; other syncs of the night ran. What may have been sent is settled by the next run. Please report it with the message.',
    exit: 'failed',
  },
  A9004: {
    title: 'another runner decides under the same caps',
    explanation:
      'Plans under frequency caps are decided one after another, so that two runs never both count a person who has room for one more. Another runner has held its turn for a quarter of an hour. A runner that has died on the same host is taken over at once.',
    exit: 'locked',
  },
} as const satisfies ErrorCodes
