/** `npm run docs` writes every generated file; `npm run docs:check` fails when one differs from what the code says. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pages } from './pages.ts'

const root = join(import.meta.dirname, '..')
const check = process.argv.includes('--check')
const drifted: string[] = []

for (const [path, text] of pages()) {
  const file = join(root, path)
  const current = await readFile(file, 'utf8').catch(() => undefined)
  if (current === text) continue
  drifted.push(path)
  if (check) continue
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}

if (check && drifted.length > 0) {
  console.error(
    `These files differ from what the code says; run npm run docs and commit them:\n  ${drifted.join('\n  ')}`,
  )
  process.exitCode = 1
} else {
  console.log(check ? 'generated files are up to date' : `wrote ${drifted.length} files`)
}
