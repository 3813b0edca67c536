import type { Flavour } from './flavour.ts'

/** The job that a destination made of a request, by the name it has there, and when it was accepted. */
export function jobs({ integer }: Flavour): readonly string[] {
  return [
    'alter table requests add column job_reference text',
    `alter table requests add column accepted_at ${integer}`,
  ]
}
