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
  A4010: {
    title: 'the saved plan is stale',
    explanation:
      'Data, models, mappings or policies have changed since the plan was saved, so that executing it would not do what was reviewed. Nothing was sent. Make and review a new plan with `activate dry-run --save`.',
    exit: 'failed',
  },
  A4012: {
    title: 'the plan is held by a guard',
    explanation:
      'The plan would change more than the guard of its sync allows, or the model returned too few rows. Nothing was sent. Look at `activate dry-run`; if it is right, run it with `--yes`, or change `guard` in the sync.',
    exit: 'held',
  },
  A4050: {
    title: 'a column in use has changed its type',
    explanation:
      'A mapped column or a column of the key has another type than when the sync last ran, so that the destination would get something else and every row might differ. Nothing was planned. Cast the column in the model; if the change is meant, declare the new type for it under `columns` of the model: rows that differ are then sent again.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes
