import { expect, test } from 'vitest'
import { signingKey, standardWebhookHeaders } from '../../src/destinations/standard-webhooks.ts'

const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1_614_265_330_999, body: '{"test": 2432232314}' }

// The vector that the reference libraries publish (standard-webhooks and svix-webhooks, test_sign_function; read 2026-11).
test('signs the published vector as the reference libraries do', () => {
  expect(standardWebhookHeaders('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', message)).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('takes a secret without the prefix as it is', () => {
  expect(signingKey('zürich').toString('utf8')).toBe('zürich')
})

test.each(['whsec_', 'whsec_a', 'whsec_not base64', 'whsec_ab=c'])('refuses %j', secret => {
  expect(() => signingKey(secret)).toThrow(/A6511/)
})
