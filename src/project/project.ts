/**
 * The project as the rest of the tool sees it: files read, validated, defaults filled in, the target chosen. Everything
 * here is plain data. Durations are milliseconds, shares are fractions of one, relative paths have been resolved
 * against the project's root.
 */
import type { Normalisation } from './normalisation.ts'
import type { Outcome } from './outcomes.ts'
import type { Holdout, Identity, Ownership, Policies, SendWindow } from './policies.ts'
import type { Place } from './problem.ts'

/** `${env:NAME}` or `${file:path}`, not yet resolved; only `wire.ts` and the destinations' set-up ask for its value. */
export interface SecretRef {
  readonly secret: 'env' | 'file'
  readonly name: string
  readonly place?: Place
}

/** A piece of text that may hold secret references, such as `Bearer ${env:TOKEN}`. */
export type SecretText = readonly (string | SecretRef)[]

export type Scalar = string | number | boolean | null
export type Json = Scalar | readonly Json[] | { readonly [name: string]: Json }

/** The types that columns are declared with (contract, "Types"). */
export const columnTypes = ['string', 'integer', 'number', 'boolean', 'date', 'timestamp', 'json'] as const
export type ColumnType = (typeof columnTypes)[number]

export type WarehouseSettings =
  | {
      readonly type: 'duckdb'
      /** Absolute path of the file that holds the tool's own state. */
      readonly path: string
      /** Schema of the state tables. */
      readonly state: string
      /** Alias to absolute path; attached read-only. */
      readonly attach: Readonly<Record<string, string>>
      /** DuckDB's own notation, such as `2GB`. */
      readonly memory: string
      readonly threads?: number
    }
  | {
      readonly type: 'postgres'
      readonly url: SecretText
      /** Schema of the state tables. */
      readonly state: string
      /** The role that sessions take on, where it is not the user's own. */
      readonly role?: string
      readonly tls?: {
        readonly mode: 'verify' | 'unverified' | 'off'
        /** Absolute paths of PEM files. */
        readonly ca?: string
        readonly cert?: string
        readonly key?: string
        readonly servername?: string
      }
      /** The most sessions at a time. */
      readonly pool: number
      /** Milliseconds; none unless set. */
      readonly statementTimeout?: number
      /** PostgreSQL's own notation, such as `256MB`. */
      readonly workMem: string
    }
  | {
      readonly type: 'bigquery'
      /** That of GOOGLE_CLOUD_PROJECT unless set. */
      readonly project?: string
      readonly location?: string
      readonly state: string
      readonly maximum_bytes_billed?: string
      /** How long a snapshot is kept as it was before a run changed it; 7 unless set. */
      readonly undo_days?: number
      /** US dollars, on demand. */
      readonly price_per_tib?: number
      /** The JSON of a service account's key; application default credentials unless set. */
      readonly credentials?: SecretText
      /** The service account to act as. */
      readonly impersonate?: string
      /** The root of a private endpoint. */
      readonly endpoint?: string
      /** Whether large outboxes come over the Storage Read API; `auto` unless set. */
      readonly storage_read?: 'auto' | 'always' | 'never'
      /** The root of a private endpoint of that. */
      readonly storage_endpoint?: string
    }

export type LedgerSettings =
  | {
      readonly type: 'sqlite'
      readonly path: string /** Undefined: a key file beside it. */
      readonly key?: SecretText
    }
  | {
      readonly type: 'postgres'
      readonly url: SecretText
      /** Of the ledger alone. */
      readonly schema: string
      /** How many one process opens at most. */
      readonly connections: number
      readonly key?: SecretText
    }

/** A declared check of a model's or a source's column, or of the whole relation. */
export type ColumnTest =
  | { readonly test: 'not_null' }
  | { readonly test: 'unique' }
  | { readonly test: 'accepted_values'; readonly values: readonly Scalar[] }
  | { readonly test: 'between'; readonly min: number | string; readonly max: number | string }
  | { readonly test: 'relationships'; readonly to: string; readonly column: string }

export type RelationTest =
  | { readonly test: 'row_count'; readonly min?: number; readonly max?: number }
  /** A select that returns the offending rows; `{{this}}` is the relation under test. */
  | { readonly test: 'sql'; readonly name: string; readonly sql: string }

export interface ColumnContract {
  readonly name: string
  readonly type?: ColumnType
  readonly description?: string
  readonly tests: readonly ColumnTest[]
  readonly place: Place
}

export interface Freshness {
  readonly column: string
  readonly maxAge: number
}

/** What happens to rows that break a declared test: nothing is planned, they are left out, or they are only counted. */
export const onViolation = ['fail', 'quarantine', 'warn'] as const
export type OnViolation = (typeof onViolation)[number]

export interface Source {
  readonly name: string
  /** A file that the embedded warehouse reads itself, or a relation that is there already (`shop.main.customers`). */
  readonly from: { readonly csv: string } | { readonly parquet: string } | { readonly table: readonly string[] }
  readonly description?: string
  readonly freshness?: Freshness
  readonly columns: readonly ColumnContract[]
  readonly tests: readonly RelationTest[]
  readonly onViolation: OnViolation
  readonly tags: readonly string[]
  readonly place: Place
}

export type Materialisation = 'ephemeral' | 'view' | 'table'

export interface Model {
  /** The file's name without `.sql`; unique in the project. */
  readonly name: string
  /** Relative to the project's root, with forward slashes. */
  readonly path: string
  /** The file's text after the front matter, still with its template expressions. */
  readonly template: string
  /** The line of the file on which `template` starts, for places in errors. */
  readonly templateLine: number
  readonly description?: string
  /** Key columns in order; models that feed a sync need at least one. */
  readonly key: readonly string[]
  readonly owner?: string
  readonly materialised: Materialisation
  readonly columns: readonly ColumnContract[]
  readonly tests: readonly RelationTest[]
  readonly onViolation: OnViolation
  readonly tags: readonly string[]
  readonly place: Place
}

export const modes = ['upsert', 'update', 'insert', 'mirror', 'audience', 'append', 'trigger'] as const
export type Mode = (typeof modes)[number]

/** One line of a sync's `fields`: where a field's value comes from and how it is shaped. */
export type FieldSource =
  | {
      readonly column: string
      readonly as?: ColumnType
      readonly round?: number
      readonly hash?: 'sha256'
      readonly normalise?: Normalisation
      /** Of phone numbers without a country code; for `e164` only. */
      readonly region?: string
    }
  | { readonly value: Json }
  | { readonly template: string }

export interface FieldMapping {
  readonly field: string
  readonly from: FieldSource
  readonly place: Place
}

/** `20%` is a share of the snapshot; `500` is a number of rows. */
export type Limit = { readonly share: number } | { readonly count: number }

export interface GuardSettings {
  readonly minRows: number
  readonly maxChanges?: Limit
  /** Undefined means the default: a fifth of a snapshot that has at least 100 rows. */
  readonly maxLeavers?: Limit
  readonly maxEnters?: Limit
  /** How much smaller than at the last settled run the model may be, as a fraction of it. */
  readonly maxShrink?: number
  /** Sends of a first run, which has no snapshot to take a share of. */
  readonly maxFirstRun?: number
  /** Whether a run after a change of the mapping is held. */
  readonly mappingChange: 'pass' | 'hold'
}

export interface TriggerSettings {
  readonly on: 'enter' | 'exit' | 'change'
  /** Milliseconds that must have passed since the last acknowledged communication. */
  readonly reentry: 'never' | 'always' | { readonly after: number }
  readonly firstRun: 'baseline' | 'send'
}

/** `over`: plans that send more changes than this. */
export type RequireApproval = 'never' | 'on_change' | 'always' | { readonly over: number }

export interface Sync {
  /** The file's name without its extension; unique in the project. */
  readonly name: string
  readonly path: string
  readonly model: string
  readonly destination: string
  readonly action: string
  readonly mode: Mode
  readonly fields: readonly FieldMapping[]
  /** Present when, and only when, the mode is `trigger`. */
  readonly trigger?: TriggerSettings
  readonly channel?: string
  readonly purpose?: string
  /** Five-field cron expression in the project's time zone. */
  readonly schedule?: string
  readonly guard: GuardSettings
  readonly onMappingChange: 'resend' | 'keep'
  readonly onBadKey: 'fail' | 'quarantine'
  /** Undefined leaves it to the model. */
  readonly onViolation?: OnViolation
  readonly onUncertain: 'park' | 'resend'
  /** Share of refused records at which a run stops early. */
  readonly maxErrorRate?: number
  /** Higher goes first, and wins under a shared cap; 0 unless set. */
  readonly priority: number
  readonly holdout?: Holdout
  /** The share of people who take part; undefined for everyone. */
  readonly rollout?: number
  /** A model whose people alone take part. */
  readonly qaAudience?: string
  readonly sendWindow?: SendWindow
  /** A row is worthless after what this column says. */
  readonly expires?: { readonly column: string }
  /** What one message costs, in the project's currency; for reports. */
  readonly costPerMessage?: number
  readonly requireApproval: RequireApproval
  /** Those of the file, then those whom `owners` of activate.yml names for its path. */
  readonly owners: readonly string[]
  readonly tags: readonly string[]
  readonly enabled: boolean
  readonly place: Place
  /** Where each key stands, by its dotted path (`action`, `trigger.on`), for errors of later checks. */
  readonly places?: Readonly<Record<string, Place>>
}

/** A destination as the project's file has it; its `type` names the definition that checks and reads `settings`. */
export interface DestinationSettings {
  readonly name: string
  readonly type: string
  /** As written in the file, without `type`; secret references are still text (`${env:NAME}`). */
  readonly settings: Readonly<Record<string, unknown>>
  /** Where each setting stands, by its dotted path (`actions.upsert.method`), for errors of the definition's schema. */
  readonly places: Readonly<Record<string, Place>>
  /** The same for the keys themselves, which unknown ones are pointed at by. */
  readonly keyPlaces?: Readonly<Record<string, Place>>
  readonly place: Place
}

/** A file under `models/_partials/`, for `{{> name}}`. */
export interface TemplatePartial {
  /** Its path below `_partials/`, without the extension. */
  readonly name: string
  /** Relative to the project's root, with forward slashes. */
  readonly path: string
  readonly text: string
}

/** How long what is recorded of people is kept, in milliseconds; undefined keeps it for good. */
export interface Retention {
  readonly deadLetters: number
  /** Tombstones of erased people. */
  readonly erasures: number
  /** What was decided, and who was not allowed to take part until when. */
  readonly decisions?: number
  /** What was delivered; never less than policies and reports need. */
  readonly deliveries?: number
  /** Rows of people in the plans of past runs. */
  readonly samples?: number
  /** The ledger's requests of settled runs. */
  readonly requests?: number
  /** Rows in quarantine that were mended since. */
  readonly quarantine?: number
}

export interface Project {
  readonly name: string
  /** Absolute path of the folder that holds `activate.yml`. */
  readonly root: string
  /** IANA zone of schedules, quiet hours and `run_date`. */
  readonly timezone: string
  /** `default`, or the name given by `--target` or ACTIVATE_TARGET. */
  readonly target: string
  readonly warehouse: WarehouseSettings
  readonly ledger: LedgerSettings
  readonly vars: Readonly<Record<string, Scalar>>
  readonly identity?: Identity
  readonly policies: Policies
  readonly ownership: readonly Ownership[]
  readonly retention: Retention
  readonly sources: readonly Source[]
  readonly models: readonly Model[]
  readonly partials: readonly TemplatePartial[]
  readonly syncs: readonly Sync[]
  readonly outcomes: readonly Outcome[]
  readonly destinations: readonly DestinationSettings[]
}
