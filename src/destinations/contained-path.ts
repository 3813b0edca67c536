/** Paths that a destination may write: below the project's folder, whatever `..` and symbolic links say (OWASP ASVS 5.0, 5.3.2). */
import { lstat, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { ActivateError } from '../project/problem.ts'

/**
 * The absolute path, once its nearest existing ancestor (the path itself included) has been found to lie inside the root.
 * Throws A6512.
 */
export async function containedPath(root: string, path: string): Promise<string> {
  const absolute = resolve(root, path)
  if (path.includes('\0') || !isInside(resolve(root), absolute)) throw outside(path)
  const real = await realAncestor(absolute)
  if (real === undefined || !isInside(await realpath(root), real)) throw outside(path)
  return absolute
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** Undefined for a symbolic link to nowhere: whoever opens it would make a file at its other end. */
async function realAncestor(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
  }
  if (await exists(path)) return undefined
  return realAncestor(dirname(path))
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

function outside(path: string): ActivateError {
  return new ActivateError('invalid', {
    code: 'A6512',
    message: `the path ${JSON.stringify(path)} leads out of the project`,
    help: 'destinations write only below the folder that holds activate.yml',
  })
}
