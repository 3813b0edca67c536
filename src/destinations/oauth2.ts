/** OAuth 2.0 client credentials (RFC 6749, 4.4): what is asked of the issuer, and how its answer is read. */
import type { Refresh } from '../delivery/destination.ts'
import type { OAuth2Settings } from './http-settings.ts'
import { valueAt } from './record-outcomes.ts'

export function clientCredentials(settings: OAuth2Settings): Refresh {
  const { token_url, client_id, client_secret, scope, client_auth } = settings
  const asked = { grant_type: 'client_credentials', ...(scope !== undefined && { scope }) }
  const inBody = client_auth === 'body'
  return {
    url: token_url,
    request: {
      method: 'POST',
      headers: { accept: 'application/json', ...(!inBody && { authorization: basic(client_id, client_secret) }) },
      form: inBody ? { ...asked, client_id, client_secret } : asked,
    },
    read(reply) {
      const token = valueAt(reply.json, 'access_token')
      // A number, says RFC 6749, 5.1; some issuers send it as text.
      const seconds = Number(valueAt(reply.json, 'expires_in'))
      if (typeof token !== 'string' || token === '') return undefined
      return { token, ...(seconds > 0 && Number.isFinite(seconds) && { expiresIn: seconds * 1000 }) }
    },
    headers: token => ({ authorization: `Bearer ${token}` }),
  }
}

/** Both parts are form-encoded first (RFC 6749, 2.3.1), so that a colon in one of them does no harm. */
function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

function encode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
