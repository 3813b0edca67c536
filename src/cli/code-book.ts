/** Every error code of every room, for `explain` and for exit codes of problems that travelled as data. */
import type { ErrorCode, ErrorCodes } from '../project/problem.ts'
import { cliCodes } from './codes.ts'

const rooms: readonly ErrorCodes[] = [cliCodes]

export const codeBook: Readonly<Record<string, ErrorCode>> = Object.fromEntries(
  rooms.flatMap(room => Object.entries(room)).sort(([left], [right]) => left.localeCompare(right)),
)
