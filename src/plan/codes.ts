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
  A4011: {
    title: 'the plan awaits approval',
    explanation:
      'The sync asks for approval (`require_approval`) of a plan like this one. Nothing was sent, and `--yes` does not replace an approval. Look at `activate dry-run`, then let somebody who may decide it run `activate approve`: the approval holds for exactly this plan, also at a later hour, and is void as soon as data, SQL, mapping or policies change what would be done.',
    exit: 'held',
  },
  A4012: {
    title: 'the plan is held by a guard',
    explanation:
      'The plan would change more than the guard of its sync allows, or the model returned too few rows. Nothing was sent. Look at `activate dry-run`; if it is right, let exactly this plan pass with `activate approve`, run it with `--yes`, or change `guard` in the sync.',
    exit: 'held',
  },
  A4013: {
    title: 'the sync is on hold',
    explanation:
      'Somebody put the sync, its destination or everything on hold. Nothing was computed or sent. The message says who did so, when and why; `activate release` ends it, and the next run goes on from where the last one stood.',
    exit: 'held',
  },
  A4021: {
    title: 'nobody knows whom a row is about',
    explanation:
      'Consent, suppression, caps and holdouts hold for people, and the model of the sync does not say who they are: it does not return the column that `identity.key` names, or its key has several columns and the project names none. Return the key of the person from the model.',
    exit: 'invalid',
  },
  A4022: {
    title: 'an expiry that is no time',
    explanation: 'The column that `expires` names must be a date or a timestamp. Cast it in the model.',
    exit: 'failed',
  },
  A4023: {
    title: 'a policy model without a person',
    explanation:
      'A model of consents, suppressions or QA people must return whom a row is about: the column that `identity.key` names, a column `key`, or the one column of its key in the front matter. A suppression list may name another column with `column`.',
    exit: 'invalid',
  },
  A4024: {
    title: 'a suppression list cannot be read',
    explanation:
      'The file of a suppression list is missing, malformed, or does not have the column that is read. Nothing was sent: a list that cannot be read is not an empty list. Put the file back, or name its column.',
    exit: 'failed',
  },
  A4025: {
    title: 'a suppression list that could not act',
    explanation:
      'The list holds identifiers of a kind by which nobody in this communication can be recognised: its model returns no column of that name, it sends to no field that holds one, and no links tell whose they are. Return the identifier from the model, or add a link model to `identity.links`.',
    exit: 'failed',
  },
  A4026: {
    title: 'consents that cannot be understood',
    explanation:
      'The model of consents lacks a column, or has answers whose status is neither granted nor denied, that have no time, or that are about nobody. Nothing was planned: an answer that is left out might be a no. Mend them in the model.',
    exit: 'failed',
  },
  A4031: {
    title: 'the salt of a holdout changed',
    explanation:
      'A salt decides who is withheld. Changing it draws lots anew, so that people who were sent to would be withheld and the other way round, and figures from before and after would be mixed. Give the holdout a new epoch together with the new salt, or write the old salt again.',
    exit: 'invalid',
  },
  A4032: {
    title: 'a withheld person was reached',
    explanation:
      'A communication was delivered to somebody whom a holdout withholds, so that the comparison is spoilt and no report of this epoch can be trusted. The tool never sends to a withheld person; look for another tool that writes to the same state, for state that was restored from a copy, or for a share that was changed back and forth, and begin a new epoch.',
    exit: 'failed',
  },
  A4040: {
    title: 'a link model misses a column',
    explanation:
      'A model under `identity.links` returns left_type, left_value, right_type and right_value, and optionally source, confidence (a number) and seen_at (a timestamp or a date). Nobody was resolved and nothing was planned. Add the column to the model, or cast it.',
    exit: 'failed',
  },
  A4041: {
    title: 'a link model names an unknown type',
    explanation:
      'left_type and right_type hold the name of `identity.key` or of one of `identity.identifiers`, written exactly so. Links of another type would be left out without a word, and people would stay apart. Declare the identifier, or mend the model.',
    exit: 'failed',
  },
  A4042: {
    title: 'a confidence is not between 0 and 1',
    explanation:
      'A confidence says how sure a link is, as a share of one; links below `identity.min_confidence` are left out. Anything else, such as a percentage or NaN, cannot be compared with it. NULL counts as 1.',
    exit: 'failed',
  },
  A4044: {
    title: 'only an owner may approve',
    explanation:
      'The sync has owners, in its file or by its path under `owners` of activate.yml, and only they approve its plans. Nothing was approved. An owner approves with `--by` or with ACTIVATE_USER set; who that is, the tool takes on trust and writes into the audit trail.',
    exit: 'failed',
  },
  A4045: {
    title: 'nothing is parked there',
    explanation:
      'Only a row that is parked can be resolved: its request may or may not have arrived, and waits for a person to say which. This one is not, or was resolved before; of several keys that were given, none was resolved. `activate resolve` without a verdict lists what is parked. A run that died has its rows parked by the next run.',
    exit: 'failed',
  },
  A4046: {
    title: 'too little is known of a parked row',
    explanation:
      'An earlier version of the tool parked the row and did not keep its fields, so that the snapshot cannot take it in. Nothing was resolved. Without the fields, the next run would take a dropped row for one that was never sent, and send it: that is `--retry`, so say so if you mean it. `--drop` is possible where the re-entry of a trigger keeps the next run from sending it after all. Otherwise the row stays parked, and nothing is sent to it.',
    exit: 'failed',
  },
  A4047: {
    title: 'another verdict on a parked row was cut short',
    explanation:
      'Somebody resolved the row, and the command was killed after the ledger had taken their word in and before the warehouse had. Two words on one message would contradict each other in the record, so this one was refused and nothing was resolved. Repeat the first command, which finishes it; `activate audit` tells who said what.',
    exit: 'failed',
  },
  A4048: {
    title: 'no such open dead letter',
    explanation:
      'A dead letter can be shown by its id or the beginning of one, and replayed or dropped as long as it is open. There is none of this id, several begin with it, or it has ended: the row was delivered after all, was refused again (in a letter of its own), was dropped, or the letter expired. Nothing was changed. `activate dead-letters` lists those that are open.',
    exit: 'failed',
  },
  A4049: {
    title: 'a dead letter cannot be replayed',
    explanation:
      'Replaying makes the row due, so that the next run of its sync sends it; the project has no such sync any more, so no run ever would. Nothing was changed. Bring the file of the sync back, or `activate dead-letters drop`.',
    exit: 'failed',
  },
  A4050: {
    title: 'a column in use has changed its type',
    explanation:
      'A mapped column or a column of the key has another type than when the sync last ran, so that the destination would get something else and every row might differ. Nothing was planned. Cast the column in the model; if the change is meant, declare the new type for it under `columns` of the model: rows that differ are then sent again.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes
