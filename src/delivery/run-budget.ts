/**
 * Retries that a whole run may make after failures, so that an outage is not multiplied ("Google SRE", chapter 21, "Client-side
 * throttling": a budget of retries beside one per request). Waiting because of a 429 is not part of it: it was asked for.
 */
export interface RunBudget {
  /** Whether one more retry is within it. `requests`: those that were begun for the first time so far. */
  spend(requests: number): boolean
}

/** A share of the requests, and so many more: a short run has a right to its retries, too. */
export const retryShare = 0.1
export const retryFloor = 100

export function createRunBudget(): RunBudget {
  let spent = 0
  return {
    spend(requests) {
      spent += 1
      return spent <= retryFloor + retryShare * requests
    },
  }
}
