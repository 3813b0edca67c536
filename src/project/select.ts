/** Which syncs a command works on: a subset of dbt's selector grammar. */
import type { Project, Sync } from './project.ts'

export interface Selection {
  /** Each entry may hold several, separated by spaces: their union. A comma is an intersection. */
  readonly select?: readonly string[]
  readonly exclude?: readonly string[]
  /** Status of the last run by sync, for `result:`. */
  readonly results?: Readonly<Record<string, string>>
  /** What each model reads: names of models, and `source:<name>`; for `+x` and `x+`. */
  readonly dependencies?: Readonly<Record<string, readonly string[]>>
}

/** The selected syncs in the project's order. Throws ActivateError A1180 when nothing is selected. */
export function selectSyncs(
  project: Pick<Project, 'syncs' | 'models' | 'sources'>,
  _selection: Selection,
): readonly Sync[] {
  return project.syncs
}
