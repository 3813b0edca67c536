import type { ErrorCodes } from '../project/problem.ts'

/** Errors of planning. */
export const planCodes = {
  A4001: {
    title: 'bad keys in the model',
    explanation:
      'Every row of a model that feeds a sync needs a key that is not null, not empty and occurs once: the key decides which record at the destination is touched. The message shows samples. Mend the model, or set `on_bad_key: quarantine` in the sync: all rows with a bad key are then left out, counted and never guessed between.',
    exit: 'failed',
  },
  A4002: {
    title: 'a mapped column is missing',
    explanation:
      'The sync maps a column that its model does not return. Nothing was planned. Add the column to the model or mend the mapping.',
    exit: 'failed',
  },
  A4003: {
    title: 'a mapped number is not finite',
    explanation:
      'NaN and infinities have no form in JSON and mean that a calculation went wrong. Guard the division in the model, for instance with `nullif(x, 0)`.',
    exit: 'failed',
  },
  A4004: {
    title: 'a field mapping cannot be computed',
    explanation:
      'A template or a conversion in `fields` is not valid: templates know `{{column}}`, `{{#if column}}…{{else}}…{{/if}}` and `{{#unless column}}…{{/unless}}`.',
    exit: 'invalid',
  },
  A4005: {
    title: 'the model does not meet its contract',
    explanation:
      'A declared column is missing, has another type, or a declared test found offending rows. Nothing was planned or sent. `activate test` lists every test.',
    exit: 'failed',
  },
  A4006: {
    title: 'a source is not fresh',
    explanation:
      'The newest row of a source is older than its declared `max_age`. Acting on old data mails the wrong people, so the run stops before planning.',
    exit: 'failed',
  },
  A4010: {
    title: 'the saved plan is stale',
    explanation:
      'Data, models, mappings or policies have changed since the plan was saved, so that executing it would not do what was reviewed. Nothing was sent. Make and review a new plan with `activate dry-run --save`.',
    exit: 'failed',
  },
  A4011: {
    title: 'the saved plan cannot be read',
    explanation: 'The file given with `--plan` is not a plan that `activate dry-run --save` wrote.',
    exit: 'invalid',
  },
  A4012: {
    title: 'the plan is held by a guard',
    explanation:
      'The plan would change more than the guard of its sync allows, or the model returned too few rows. Nothing was sent. Look at `activate dry-run`; if it is right, run it with `--yes`, or change `guard` in the sync.',
    exit: 'held',
  },
} as const satisfies ErrorCodes
