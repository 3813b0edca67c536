/** The reference: what must be at the destination after a night, whatever happened in it. Plain and small, so that it can be believed. */
import { isBad } from './far-end.ts'
import type { Scenario } from './scenario.ts'

export class Truth {
  private readonly mode: Scenario['mode']
  /** What the destination must hold (mirror), or who has had the communication and has not left since (trigger). */
  readonly members = new Map<string, string>()
  /** How often each person must have had the communication. */
  readonly entries = new Map<string, number>()

  constructor({ mode }: Scenario) {
    this.mode = mode
  }

  /** A night is over in which these people were in the model. */
  pass(people: ReadonlyMap<string, string>): void {
    for (const key of [...this.members.keys()]) if (!people.has(key)) this.members.delete(key)
    for (const [key, name] of people) {
      const known = this.members.has(key)
      // What is refused leaves everything as it was.
      if (isBad({ name }) && !(known && this.mode === 'trigger')) continue
      if (!known) this.entries.set(key, (this.entries.get(key) ?? 0) + 1)
      this.members.set(key, name)
    }
  }
}
