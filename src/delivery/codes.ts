import type { ErrorCodes } from '../project/problem.ts'

/** A60xx: what ends a delivery early, and what is wrong with a destination as a whole. */
export const deliveryCodes = {
  A6001: {
    title: 'the destination refused the credentials',
    explanation:
      'It answered 401 or 403. Delivery stopped at once, because every further request would be refused too. What was not delivered stays pending: mend the token or its permissions and run again.',
    exit: 'credentials',
  },
  A6002: {
    title: 'the destination cannot be reached',
    explanation:
      'Several requests in a row spent all their attempts without a single success between them: connections were refused, timed out, or ended in server errors. Delivery stopped; what is pending is planned anew by the next run. What may have arrived without an answer, and cannot be repeated safely, is parked: nothing more is sent to those keys by this sync, `activate status` counts them, and `activate resolve` says what became of them.',
    exit: 'failed',
  },
  A6003: {
    title: 'too many records were refused',
    explanation:
      "The share of refused records reached the sync's max_error_rate (counted once 100 records were answered for), so delivery stopped. `activate inspect <key>` shows what was refused of one record, and why.",
    exit: 'partial',
  },
  A6004: {
    title: 'the lease was lost during delivery',
    explanation:
      'This process could not keep its hold on the sync (it slept, was paused, or another runner took over), so it stopped sending. The run that holds the lease now settles what was in flight.',
    exit: 'locked',
  },
  A6005: {
    title: 'delivery was interrupted',
    explanation:
      'What was in flight has been answered for and recorded; nothing new was started. Run again to deliver what is pending.',
    exit: 'interrupted',
  },
  A6006: {
    title: 'the destination answered with a redirect',
    explanation:
      'Redirects are never followed, because they could lead personal data elsewhere. Put the final address into base_url or path.',
    exit: 'failed',
  },
  A6007: {
    title: 'the address of the destination is not allowed',
    explanation:
      'It is, or resolves to, a private, loopback, link-local or otherwise reserved address. Set allow_private_network: true on the destination when that is meant; only http and https are spoken.',
    exit: 'failed',
  },
  A6008: {
    title: 'a request cannot be formed',
    explanation:
      'A header of the destination holds a line break or another character that HTTP forbids. Nothing was sent. Look for a trailing newline in a secret or a template.',
    exit: 'failed',
  },
  A6009: {
    title: 'the base URL of a destination is not usable',
    explanation: 'It must be an absolute http or https URL without a user name and password in it.',
    exit: 'invalid',
  },
  A6010: {
    title: 'the destination has no such action',
    explanation: 'The action of the sync, or the one for its leavers, is not among the actions of the destination.',
    exit: 'invalid',
  },
  A6011: {
    title: 'the definition of a destination is incomplete',
    explanation:
      'A destination is either HTTP (baseUrl, a request function for every action, and a lookup for each whose idempotency is `lookup`) or a session (open). This is a defect of the destination, not of the project.',
    exit: 'failed',
  },
  A6060: {
    title: 'a limit of the destination is used up',
    explanation:
      'One of the `limits` of the destination, or one that the destination itself tells of in its replies, is used up, and does not renew within 15 minutes. The run ended instead of waiting: what it had begun is recorded, the rest is pending and planned anew by the next run. The message names the time from which the limit renews; a schedule that comes later than that needs nothing else. Limits count per account, for every sync and every process that uses it; those of single actions, which the message names, under it.',
    exit: 'partial',
  },
  A6061: {
    title: 'the destination was found unreachable a moment ago',
    explanation:
      'An earlier sync of the same process gave up on this destination (A6002), and the time after which it would be tried again is not over. Nothing was sent; everything is pending.',
    exit: 'failed',
  },
  A6062: {
    title: 'the run has repeated too many requests',
    explanation:
      'More than a tenth of its requests, and 100 beside, had to be repeated because the destination failed. So that an outage is not made worse, delivery stopped; what is pending is planned anew by the next run.',
    exit: 'failed',
  },
  A6063: {
    title: 'the destination kept throttling',
    explanation:
      'It answered 429 to the same request for half an hour in all. Delivery stopped, and what is pending is planned anew by the next run. Something else may be using the account; lower `limits` of the destination, so that the tool keeps below what is left for it.',
    exit: 'partial',
  },
} as const satisfies ErrorCodes
