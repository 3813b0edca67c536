/** Keys that the format knows and this version does not act on. A feature that lands deletes its line, and nothing else. */
import { type Path, valueAt, type YamlDocument } from './document.ts'
import type { Problem } from './problem.ts'

interface Unavailable {
  readonly path: Path
  /** Values that ask for what happens anyway. */
  readonly except?: readonly unknown[]
}

const unavailable: Readonly<Record<'project' | 'sync', readonly Unavailable[]>> = {
  project: [
    { path: ['identity'] },
    { path: ['policies', 'consent'] },
    { path: ['policies', 'suppression'] },
    { path: ['policies', 'caps'] },
    { path: ['policies', 'quiet_hours'] },
    { path: ['policies', 'holdouts'] },
  ],
  sync: [
    { path: ['priority'] },
    { path: ['holdout'] },
    { path: ['rollout'], except: ['100%'] },
    { path: ['qa_audience'] },
    { path: ['expires'] },
    { path: ['require_approval'], except: ['never'] },
    { path: ['on_violation'], except: ['fail'] },
  ],
}

/** The same for readers: dotted keys, and the values of each that are taken anyway. */
export function unavailableKeys(
  kind: 'project' | 'sync',
): readonly { readonly key: string; readonly except: readonly unknown[] }[] {
  return unavailable[kind].map(({ path, except }) => ({ key: path.map(String).join('.'), except: except ?? [] }))
}

/** A1190 for every key of the file that would otherwise be silently without effect. */
export function checkAvailable(kind: 'project' | 'sync', document: YamlDocument): Problem[] {
  return unavailable[kind].flatMap(({ path, except }) => {
    const value = valueAt(document.data, path)
    if (value === undefined || except?.includes(value)) return []
    return [
      {
        code: 'A1190',
        message: `${path.map(String).join('.')} is not available in this version`,
        place: document.place(path, 'key'),
        help: 'remove it, or wait for a version that acts on it; it is refused because ignoring it would do harm',
      },
    ]
  })
}
