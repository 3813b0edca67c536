/** A sync's file as a `Sync`. */
import type { z } from 'zod'
import { type Path, readDocument, type YamlDocument } from './document.ts'
import type { Holdout, SendWindow } from './policies.ts'
import { present } from './present.ts'
import type { Problem } from './problem.ts'
import type { FieldSource, GuardSettings, Sync, TriggerSettings } from './project.ts'
import { zoneOfWritten } from './read-policies.ts'
import { readSchema } from './reading.ts'
import type { FileText } from './safety.ts'
import { type fieldSchema, syncSchema, weekdays } from './schema/sync-file.ts'

export interface SyncFile {
  readonly name: string
  readonly path: string
  readonly document?: YamlDocument
  /** Absent when something is wrong with the file. */
  readonly sync?: Sync
  readonly problems: readonly Problem[]
}

const keepsText = (path: Path): boolean => path[0] === 'fields' && path[2] === 'value'

/** What a sync takes from activate.yml. */
export interface SyncSurroundings {
  /** The zone of the project. */
  readonly zone: string
  readonly ownersOf: (path: string) => readonly string[]
}

export function readSync(name: string, file: FileText, around: SyncSurroundings): SyncFile {
  const read = readDocument(file, { keepsText })
  if (read.document === undefined) return { name, path: file.path, problems: read.problems }
  const { document } = read
  const reading = readSchema(syncSchema, document)
  const problems = [...read.problems, ...reading.problems, ...checkKeysOfMode(document)]
  if (reading.value === undefined || problems.length > 0) return { name, path: file.path, document, problems }
  return { name, path: file.path, document, sync: syncOf(name, file.path, reading.value, document, around), problems }
}

const needFields = ['upsert', 'update', 'insert', 'mirror']

/** Keys that one mode needs and the others must not have. */
function checkKeysOfMode(document: YamlDocument): Problem[] {
  const mode = document.valueAt(['mode'])
  const trigger = document.valueAt(['trigger'])
  const example = 'trigger: { on: enter, reentry: never, first_run: baseline }'
  if (mode === 'trigger' && trigger === undefined) {
    const help = `say when, whether again, and what the first run does, such as ${example}`
    return [{ code: 'A1118', message: 'mode trigger needs "trigger"', place: document.place(['mode'], 'value'), help }]
  }
  if (trigger !== undefined && typeof mode === 'string' && mode !== 'trigger') {
    const message = `"trigger" has no meaning with mode ${mode}`
    return [
      {
        code: 'A1119',
        message,
        place: document.place(['trigger'], 'key'),
        help: 'remove it, or write "mode: trigger"',
      },
    ]
  }
  if (needFields.includes(String(mode)) && document.valueAt(['fields']) === undefined) {
    const help = 'map the fields to send, such as "email: email"; "fields: {}" sends keys alone'
    return [
      {
        code: 'A1102',
        message: `"fields" is missing, which mode ${String(mode)} needs`,
        place: document.place(['mode'], 'key'),
        help,
      },
    ]
  }
  return []
}

function fieldOf(written: z.output<typeof fieldSchema>): FieldSource {
  if (typeof written === 'string') return { column: written }
  return 'column' in written ? present(written) : written
}

function triggerOf(written: NonNullable<z.output<typeof syncSchema>['trigger']>): TriggerSettings {
  const { on, reentry, first_run: firstRun } = written
  return { on, reentry: typeof reentry === 'number' ? { after: reentry } : reentry, firstRun }
}

type WrittenSync = z.output<typeof syncSchema>

function guardOf(written: WrittenSync['guard']): GuardSettings {
  return present({
    minRows: written?.min_rows ?? 1,
    maxChanges: written?.max_changes,
    maxLeavers: written?.max_leavers,
    maxEnters: written?.max_enters,
    maxShrink: written?.max_shrink,
    maxFirstRun: written?.max_first_run,
    mappingChange: written?.mapping_change ?? 'pass',
  })
}

/** A sync's own holdout withholds it from whatever the sync does. */
function holdoutOf(sync: string, written: NonNullable<WrittenSync['holdout']>, document: YamlDocument): Holdout {
  return {
    ...present(written),
    name: written.name ?? sync,
    appliesTo: 'all',
    place: document.place(['holdout'], 'key'),
  }
}

function sendWindowOf({ from, to, days, timezone }: NonNullable<WrittenSync['send_window']>, zone: string): SendWindow {
  return { from, to, days: days.map(day => weekdays.indexOf(day) + 1), timezone: zoneOfWritten(timezone, zone) }
}

function syncOf(
  name: string,
  path: string,
  written: WrittenSync,
  document: YamlDocument,
  { zone, ownersOf }: SyncSurroundings,
): Sync {
  const { model, destination, action, mode, channel, purpose, schedule, guard, enabled } = written
  return present({
    name,
    path,
    model,
    destination,
    action,
    mode,
    fields: Object.entries(written.fields ?? {}).map(([field, from]) => ({
      field,
      from: fieldOf(from),
      place: document.place(['fields', field], 'key'),
    })),
    trigger: written.trigger === undefined ? undefined : triggerOf(written.trigger),
    channel,
    purpose,
    schedule,
    guard: guardOf(guard),
    onMappingChange: written.on_mapping_change,
    onBadKey: written.on_bad_key,
    onViolation: written.on_violation,
    onUncertain: written.on_uncertain,
    maxErrorRate: written.max_error_rate,
    priority: written.priority,
    holdout: written.holdout === undefined ? undefined : holdoutOf(name, written.holdout, document),
    rollout: written.rollout === 1 ? undefined : written.rollout,
    qaAudience: written.qa_audience,
    sendWindow: written.send_window === undefined ? undefined : sendWindowOf(written.send_window, zone),
    expires: written.expires,
    costPerMessage: written.cost_per_message,
    requireApproval: written.require_approval,
    owners: [...new Set([...(written.owners ?? []), ...ownersOf(path)])],
    tags: written.tags ?? [],
    enabled,
    place: { file: path, line: 1, column: 1 },
    places: document.placesBelow([], 'value'),
  })
}
