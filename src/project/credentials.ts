/** Finds credentials that are written out, and hides them from the lines that errors show. */

import type { Path, YamlDocument } from './document.ts'
import { literalPassword } from './mask.ts'
import type { Problem } from './problem.ts'
import { holdsSecret, secretHelp } from './secret.ts'

const secretKey =
  /(^|[_-])(token|api_?key|apikey|password|passwd|secret|secret_?key|private_?key|access_?key|credentials?)$/i
const secretHeader = /^(authorization|proxy-authorization|x-api-key|api-key|x-auth-token|cookie)$/i

/** Whether the value at this path is a credential by the name of its key, or of the block it stands in. */
function isSecretPath(path: Path): boolean {
  const last = String(path.at(-1) ?? '')
  if (secretKey.test(last) || secretHeader.test(last)) return true
  return path.slice(0, -1).some(segment => segment === 'signing')
}

function* leaves(
  value: unknown,
  path: Path,
): Generator<{ readonly path: Path; readonly value: string | number | boolean }> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* leaves(item, [...path, index])
  else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) yield* leaves(item, [...path, name])
  } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') yield { path, value }
}

function literals(document: YamlDocument, path: Path): { readonly path: Path; readonly code: 'A1140' | 'A1142' }[] {
  const found: { readonly path: Path; readonly code: 'A1140' | 'A1142' }[] = []
  const inDestination = path.includes('destinations')
  const isSecret = (leaf: Path) => (inDestination ? isSecretPath(leaf) : path.at(-1) === 'ledger' && leaf[0] === 'key')
  for (const leaf of leaves(document.valueAt(path), path)) {
    const text = String(leaf.value)
    if (isSecret(leaf.path.slice(path.length)) && !holdsSecret(text)) found.push({ path: leaf.path, code: 'A1140' })
    else if (literalPassword(text) !== undefined) found.push({ path: leaf.path, code: 'A1142' })
  }
  return found
}

/** Problems A1140 and A1142 of an activate.yml. From then on the document shows the values as asterisks. */
export function checkCredentials(document: YamlDocument): Problem[] {
  const targets = document.valueAt(['targets'])
  const bases: Path[] = [
    [],
    ...Object.keys(typeof targets === 'object' && targets !== null ? targets : {}).map(name => ['targets', name]),
  ]
  const found = bases.flatMap(base =>
    ['warehouse', 'ledger', 'destinations'].flatMap(key => literals(document, [...base, key])),
  )
  for (const { path } of found) document.mask(path)
  return found.map(({ path, code }) => ({
    code,
    message:
      code === 'A1140'
        ? `${path.join('.')} is a literal credential (********)`
        : `${path.join('.')} holds a literal password (********)`,
    place: document.place(path, 'value'),
    help: `${secretHelp}; if it was ever committed, revoke it`,
  }))
}
