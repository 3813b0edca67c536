/** Who may do what in a test's BigQuery: everything, but for what a test takes away. */
import type { Engine } from './engine.ts'

export class HttpError extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message: string) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

interface Question {
  readonly on: string
  readonly permissions: readonly string[]
  readonly held: readonly string[]
}

export class Permissions {
  readonly asked: Question[] = []
  readonly #engine: Engine
  readonly #denied = new Map<string, Set<string>>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** `on` is `project`, a dataset (with its tables) or `dataset.table`. */
  deny(on: string, permissions: readonly string[]): void {
    this.#denied.set(on, new Set([...(this.#denied.get(on) ?? []), ...permissions]))
  }

  allow(): void {
    this.#denied.clear()
  }

  /** Answers as `testIamPermissions` does: with those that are held, and without the list when there is none. */
  test(on: string, { permissions }: { readonly permissions: readonly string[] }): object {
    const held = permissions.filter(permission => this.#holds(on, permission))
    this.asked.push({ on, permissions, held })
    return held.length === 0 ? {} : { permissions: held }
  }

  /** Throws 403, in BigQuery's words. */
  demand(on: string, permission: string): void {
    if (this.#holds(on, permission)) return
    const { project } = this.#engine
    const place = on === 'project' ? `Project ${project}` : `${on.includes('.') ? 'Table' : 'Dataset'} ${project}:${on}`
    const message = `Access Denied: ${place}: Permission ${permission} denied on ${place.toLowerCase()} (or it may not exist).`
    throw new HttpError(403, 'accessDenied', message)
  }

  #holds(on: string, permission: string): boolean {
    const isRead = permission === 'bigquery.tables.get' || permission === 'bigquery.tables.getData'
    if (isRead && this.#engine.refused.has(on)) return false
    return ![on, on.replace(/\..*/, '')].some(place => this.#denied.get(place)?.has(permission) === true)
  }
}
