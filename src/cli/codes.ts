import type { ErrorCodes } from '../project/problem.ts'

/** Errors of the command line itself. Wrong usage ends with the exit code of an invalid project (7). */
export const cliCodes = {
  A8000: {
    title: 'unexpected error',
    explanation:
      'Something failed that activate has no better words for: a defect of the tool, or of the machine (disk, memory, permissions). Run the command again with --verbose to see where it happened. Nothing is lost: a run that was under way is picked up by the next one.',
    exit: 'failed',
  },
  A8001: {
    title: 'unknown command',
    explanation: 'The first word after `activate` has to be a command. `activate --help` lists them all.',
    exit: 'invalid',
  },
  A8002: {
    title: 'unknown option',
    explanation:
      'The command does not know this option. `activate <command> --help` lists its options; global options are accepted before and after the command.',
    exit: 'invalid',
  },
  A8003: {
    title: 'wrong argument',
    explanation: 'An argument or the value of an option is missing, is one too many, or cannot be read.',
    exit: 'invalid',
  },
  A8004: {
    title: 'unreadable point in time',
    explanation:
      "Points in time are a date (`2026-03-01`, its midnight), a date and time (`2026-03-01T02:00`), both in the project's time zone, or an instant with its offset (`2026-03-01T02:00:00Z`).",
    exit: 'invalid',
  },
  A8005: {
    title: 'would overwrite a file',
    explanation:
      '`init` and `demo` only write into folders that do not have the files they would write. Choose another folder.',
    exit: 'invalid',
  },
  A8006: {
    title: 'unknown error code',
    explanation: '`activate explain` without a code lists every code.',
    exit: 'invalid',
  },
  A8007: {
    title: 'the demonstration did not end as it should',
    explanation:
      'The worked example was run and one of its checks failed, which means that this installation does not work as it should. The message says which check; the folder is left as it is, so that it can be looked at.',
    exit: 'failed',
  },
  A8008: {
    title: 'unreadable plan file',
    explanation:
      'The file given with --plan is not a plan that `activate dry-run --save FILE` wrote. Make a new one and review it.',
    exit: 'invalid',
  },
  A8009: {
    title: 'unknown name',
    explanation:
      'The project has no model, sync, destination, identifier or channel of this name, or no relation that can be named here.',
    exit: 'invalid',
  },
  A8010: {
    title: 'output could not be written',
    explanation:
      'Standard output, or a file that was to be written, refused the bytes: usually a full disk or a missing permission.',
    exit: 'failed',
  },
  A8011: {
    title: 'committed schemas have drifted',
    explanation:
      'The JSON Schemas on disk are not the ones this version makes. Write them again with `activate schema --write DIR` and commit them.',
    exit: 'failed',
  },
  A8012: {
    title: 'no plan to approve',
    explanation:
      'An approval belongs to one plan that a run has made and held, or whose whole hash is given together with its sync. The message says what was found instead. Nothing was approved.',
    exit: 'failed',
  },
  A8013: {
    title: 'not a value that can be suppressed',
    explanation:
      'A value to opt out has to be one that can be compared with what is sent: an e-mail address, a phone number, another identifier of the project, or the key of a person. Nothing was recorded; of a file, none of its rows.',
    exit: 'invalid',
  },
  A8018: {
    title: 'somebody to erase is still at a destination',
    explanation:
      'A sync that removes leavers has sent the person to a destination and can remove them there, but only as long as the tool knows them. So the choice is yours: `--remove-first` keeps them out from this moment, the next runs send the removal, and `erase` with the same key then forgets the rest; `--keep-at-destinations` forgets them here and leaves their record there, to be deleted by hand. Nothing was changed.',
    exit: 'invalid',
  },
  A8019: {
    title: 'a run has to be settled first',
    explanation:
      'A run was cut off, and what it sent is rebuilt from its outbox, byte by byte, to find out what arrived. Taking a person out of it would make that impossible. Run the sync again, which settles it, and then erase. Nothing was changed.',
    exit: 'failed',
  },
  A8020: {
    title: 'a run is under way',
    explanation:
      'Erasing holds every sync, so that no run can write down again what is being removed. Wait for the run, or stop it. Nothing was changed.',
    exit: 'locked',
  },
  A8021: {
    title: 'erasing was not confirmed',
    explanation:
      'Erasing cannot be undone, so it asks at a terminal, and elsewhere needs --yes. `--dry-run` shows what would go. Nothing was changed.',
    exit: 'invalid',
  },
} as const satisfies ErrorCodes
