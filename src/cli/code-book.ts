/** Every error code of every room, for `explain` and for exit codes of problems that travelled as data. */

import { callbacksCodes } from '../callbacks/codes.ts'
import { deliveryCodes } from '../delivery/codes.ts'
import { destinationsCodes } from '../destinations/codes.ts'
import { ledgerCodes } from '../ledger/codes.ts'
import { modelsCodes } from '../models/codes.ts'
import { planCodes } from '../plan/codes.ts'
import { projectCodes } from '../project/codes.ts'
import type { ErrorCode, ErrorCodes } from '../project/problem.ts'
import { reportCodes } from '../report/codes.ts'
import { runCodes } from '../run/codes.ts'
import { sandboxCodes } from '../sandbox/codes.ts'
import { scheduleCodes } from '../schedule/codes.ts'
import { warehouseCodes } from '../warehouse/codes.ts'
import { cliCodes } from './codes.ts'

const rooms: readonly ErrorCodes[] = [
  callbacksCodes,
  deliveryCodes,
  destinationsCodes,
  ledgerCodes,
  modelsCodes,
  planCodes,
  projectCodes,
  reportCodes,
  runCodes,
  sandboxCodes,
  scheduleCodes,
  warehouseCodes,
  cliCodes,
]

export const codeBook: Readonly<Record<string, ErrorCode>> = Object.fromEntries(
  rooms.flatMap(room => Object.entries(room)).sort(([left], [right]) => left.localeCompare(right)),
)
