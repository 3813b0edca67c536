/** The order in which rules are asked; the first that answers decides. This list is the only place that knows it. */
import { firstRun } from './first-run.ts'
import { mapping } from './mapping.ts'
import { mode } from './mode.ts'
import { reentry } from './reentry.ts'
import { rejection } from './rejection.ts'
import type { Rule } from './rule.ts'
import { unresolved } from './unresolved.ts'

export const rules: readonly Rule[] = [unresolved, mode, mapping, firstRun, rejection, reentry]
