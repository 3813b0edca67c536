/** The destinations that come with the tool, by the names that `type` takes. */
import type { z } from 'zod'
import type { DestinationDefinition } from '../delivery/destination.ts'
import { braze } from './braze.ts'
import { crm } from './crm.ts'
import { file } from './file.ts'
import { http } from './http.ts'
import { hubspot } from './hubspot.ts'
import { messaging } from './messaging.ts'
import { sendgrid } from './sendgrid.ts'
import { table } from './table.ts'
import { twilio } from './twilio.ts'

/**
 * Forgets the type of the settings, so that definitions fit in one list. Safe because whoever calls them hands over what
 * their own schema made (`delivery/registry.ts`).
 */
function erase<Schema extends z.ZodObject>(definition: DestinationDefinition<Schema>): DestinationDefinition {
  return definition as unknown as DestinationDefinition
}

export const destinations: readonly DestinationDefinition[] = [
  erase(http),
  erase(file),
  erase(table),
  erase(crm),
  erase(messaging),
  erase(hubspot),
  erase(braze),
  erase(sendgrid),
  erase(twilio),
]
