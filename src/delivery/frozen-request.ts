/** A request as bytes. */
import type { HttpRequest } from './destination.ts'

export interface FrozenHttpRequest {
  readonly method: string
  /** Below the base URL; starts with a slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Serialises once; every attempt sends these bytes. Throws for a path that holds a lone surrogate. */
export function freeze({ method, path, headers, json, form }: HttpRequest): FrozenHttpRequest {
  const [type, body] =
    json !== undefined
      ? ['application/json', JSON.stringify(json)]
      : form !== undefined
        ? ['application/x-www-form-urlencoded', new URLSearchParams(form).toString()]
        : [undefined, undefined]
  const frozen: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  for (const [header, value] of Object.entries(headers ?? {})) frozen[header.toLowerCase()] = value
  return { method, path: escapePath(path.startsWith('/') ? path : `/${path}`), headers: frozen, body }
}

/** Spaces and letters beyond ASCII are escaped; what is escaped already stays. Throws for a lone surrogate. */
function escapePath(path: string): string {
  return /^[\x21-\x7e]*$/.test(path) ? path : path.replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent)
}
