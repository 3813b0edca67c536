/**
 * Which predefined role gives a permission, and the words in which an administrator grants it (cloud.google.com/bigquery/docs/access-control,
 * read 2026-11). A snapshot that ends by itself may only be made by whoever may delete it, which an editor of the dataset may not
 * (cloud.google.com/bigquery/docs/table-snapshots-create, read 2026-11).
 */

/** What permissions are held on. */
export type Holding =
  | { readonly kind: 'project'; readonly project: string; readonly state: string }
  /** The dataset of the state, `project.dataset`. */
  | { readonly kind: 'state'; readonly dataset: string }
  /** The dataset in which a source is, `project.dataset`. */
  | { readonly kind: 'source'; readonly dataset: string }

const ofSnapshots = ['bigquery.tables.deleteSnapshot', 'bigquery.datasets.delete', 'bigquery.datasets.update']

/** One grant for each role that these permissions need, in the order in which they were asked for. */
export function grantsOf(permissions: readonly string[], on: Holding): readonly string[] {
  const grants = permissions.map(permission => grantOf(permission, on))
  // Who may own a dataset may edit it as well.
  const isOwner = grants.some(grant => grant.includes('dataOwner'))
  return [...new Set(isOwner ? grants.filter(grant => !grant.includes('dataEditor')) : grants)]
}

/** Says who may grant what to whom; `<principal>` is for the reader to fill in. */
export function grantOf(permission: string, on: Holding): string {
  if (on.kind === 'project') {
    const toProject = (role: string) =>
      `let an administrator run: gcloud projects add-iam-policy-binding ${on.project} --member=<principal> --role=${role}`
    if (permission.startsWith('bigquery.readsessions.')) return toProject('roles/bigquery.readSessionUser')
    if (permission !== 'bigquery.datasets.create') return toProject('roles/bigquery.jobUser')
    return `${toProject('roles/bigquery.user')}, or make the dataset ${on.state} and grant roles/bigquery.dataOwner on it`
  }
  const role = on.kind === 'source' ? 'dataViewer' : ofSnapshots.includes(permission) ? 'dataOwner' : 'dataEditor'
  return `let an administrator run in BigQuery: GRANT \`roles/bigquery.${role}\` ON SCHEMA \`${on.dataset}\` TO "<principal>"`
}
