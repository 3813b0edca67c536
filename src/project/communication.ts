import type { AppliesTo } from './policies.ts'
import type { Sync } from './project.ts'

/**
 * Whether a sync speaks to people, rather than keeping records about them: triggers do, and so does what appends to a
 * channel. Consent is denied by default to communications, and caps and quiet hours hold for them alone.
 */
export function isCommunication(sync: Pick<Sync, 'mode' | 'channel'>): boolean {
  return sync.mode === 'trigger' || (sync.mode === 'append' && sync.channel !== undefined)
}

/** Whether a policy that applies to these concerns the sync. */
export function concerns(appliesTo: AppliesTo, sync: Pick<Sync, 'mode' | 'channel'>): boolean {
  return appliesTo === 'all' || (appliesTo === 'communications') === isCommunication(sync)
}
