import type { ErrorCodes } from '../project/problem.ts'

/** What can go wrong before the sandbox answers its first request. What it answers later is HTTP (docs/reference/sandbox-api.md). */
export const sandboxCodes = {
  A8501: {
    title: 'the list of faults cannot be read',
    explanation:
      'Faults are written as kind=share, separated by commas, such as 5xx=2%,timeout=1%. The kinds are 5xx, 429, timeout, reset and lost; each share lies between 0% and 100%, and together they may not exceed 100%.',
    exit: 'invalid',
  },
  A8502: {
    title: 'the sandbox cannot listen on this port',
    explanation:
      'Another program, often a sandbox that is already running, listens on the port, or the port needs privileges. Choose another with --port, or 0 for any free one.',
    exit: 'failed',
  },
  A8503: {
    title: 'the memory file of the sandbox cannot be used',
    explanation:
      'The file given as the memory of the sandbox is not one that this version wrote, or cannot be opened. Name another file, or delete it to begin with an empty CRM.',
    exit: 'failed',
  },
  A8504: {
    title: 'the sample data cannot be made',
    explanation:
      'The sample world begins on 2023-03-01, has at least one customer, and each file must be writable. Choose a later night, another number of customers, or another folder.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes
