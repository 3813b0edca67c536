/** What can go wrong with destinations: their settings, what syncs ask of them, and what they refuse to do. */
import type { ErrorCodes } from '../project/problem.ts'

export const destinationsCodes = {
  A5050: {
    title: 'a destination of the project cannot be loaded',
    explanation:
      'A file in `destinations/` has a syntax error, imports what is not there, or threw while it was loaded. The message is what it said itself, the place is where.',
    exit: 'invalid',
  },
  A5051: {
    title: 'a file in destinations/ exports no destination',
    explanation:
      'Each file in `destinations/` exports by default what `defineDestination` made. Code that several share goes into a folder below it, tests are named `*.test.*`.',
    exit: 'invalid',
  },
  A5052: {
    title: 'the name of a destination is taken',
    explanation:
      'The `name` of a definition is the `type` in activate.yml. Another file, or a destination that comes with the tool, has it already; what a sync would send where must not depend on which of them wins.',
    exit: 'invalid',
  },
  A5053: {
    title: 'this Node reads no TypeScript',
    explanation:
      'Node reads TypeScript by itself from 22.18 on; before, the package `typescript` of the project takes the types out, where it is installed: the tool brings no compiler. Update Node, install the package, or keep the destination as JavaScript: its types can stand in comments (`// @ts-check`), which editors check just as well.',
    exit: 'invalid',
  },
  A5054: {
    title: 'a destination imports what it may not',
    explanation:
      'A definition is data and pure functions. It may import `activate/destination` (which has `z`, too), files of its folder, and node:buffer, node:crypto, node:url and node:util. What reaches a network or a disk is refused, because everything that leaves passes the rules, limits and records of one client.',
    exit: 'invalid',
  },
  A5055: {
    title: 'a destination of the project opens a connection itself',
    explanation:
      '`open` is how the tool speaks to files and databases. A destination of a project describes HTTP requests, which the tool sends, limits, repeats and records.',
    exit: 'invalid',
  },
  A5056: {
    title: 'a function of a destination of the project failed',
    explanation:
      'It threw for settings that its own schema had taken. `node --test destinations/*.test.*` runs its examples; the message is what it said itself.',
    exit: 'failed',
  },
  A5060: {
    title: 'HubSpot does not upsert by this property',
    explanation:
      'An upsert in batches addresses records by a property with unique values, and HubSpot refuses partial ones by `email`; `hs_object_id` only exists once the record does. Make a property of your own with "unique values" and fill it with your key, or only update, by `update_by`.',
    exit: 'invalid',
  },
  A5061: {
    title: 'a Braze instance is missing',
    explanation:
      'Every Braze account lives at one instance, whose address the dashboard shows, and its keys are refused at every other. Give `instance`, or `base_url` where the list does not have it, and not both.',
    exit: 'invalid',
  },
  A5062: {
    title: 'the destination has no such place',
    explanation:
      'It answered 404 to the address itself: the list, campaign or type of object that is named does not exist, or not in this account. Nothing of the request was applied, and delivery stopped, because every further one would be answered so, too.',
    exit: 'failed',
  },
  A6501: {
    title: 'unknown type of destination',
    explanation:
      'The `type` under `destinations` names no destination that this version knows, nor a file in `destinations/`. For an API of your own, use the generic `http`, or write one: `activate init destination NAME`.',
    exit: 'invalid',
  },
  A6502: {
    title: 'invalid settings of a destination',
    explanation:
      "A setting is missing, unknown, or has a value that the destination's schema does not take. `docs/destinations/` has a page for each type.",
    exit: 'invalid',
  },
  A6503: {
    title: 'unknown destination',
    explanation: 'A sync names a destination that `activate.yml` does not define under `destinations`.',
    exit: 'invalid',
  },
  A6504: {
    title: 'unknown action',
    explanation:
      'A sync names an action that its destination does not have. The actions of `http` are those of its own settings.',
    exit: 'invalid',
  },
  A6505: {
    title: 'the action does not work in this mode',
    explanation:
      'Not every action fits every mode: a message cannot be mirrored, and a mirror or an audience needs an action that takes those who leave. ' +
      'For `http`, mark that action with `for: leavers`.',
    exit: 'invalid',
  },
  A6506: {
    title: 'unknown field of an action',
    explanation: 'The sync maps a field that the action does not take. Fields are named as the destination names them.',
    exit: 'invalid',
  },
  A6507: {
    title: 'a required field is not mapped',
    explanation: "The action cannot be done without this field. Add it to the sync's `fields`.",
    exit: 'invalid',
  },
  A6508: {
    title: 'a constant that the action refuses',
    explanation:
      "The sync maps a field to a constant value that the action's schema does not take, so that every record would be refused.",
    exit: 'invalid',
  },
  A6510: {
    title: 'a key that cannot stand in a path',
    explanation:
      'The path of the action holds `{key}`, and this key is empty, `.` or `..`: as a part of a URL it would address something else. ' +
      'Leave the row out of the model, or use an action that carries the key in its body.',
    exit: 'failed',
  },
  A6511: {
    title: 'unusable signing secret',
    explanation:
      'A secret that starts with `whsec_` must go on in base64. Secrets without that prefix are used as they are.',
    exit: 'credentials',
  },
  A6512: {
    title: 'a path outside the project',
    explanation:
      'Destinations write only below the folder that holds `activate.yml`; `..`, absolute paths elsewhere and symbolic links that lead out are refused.',
    exit: 'invalid',
  },
  A6513: {
    title: 'the table does not fit',
    explanation:
      'The table of the destination is missing, or has no such key columns. With `create: true` and `columns` it is made when it is missing. ' +
      'An upsert also needs a primary key or a unique index on exactly the key columns.',
    exit: 'failed',
  },
  A6514: {
    title: 'the database cannot be reached',
    explanation: 'The destination could not connect to its database: check address, name and whether it is running.',
    exit: 'failed',
  },
  A6515: {
    title: 'the database refuses the credentials',
    explanation: 'The user or password in `url` was refused, or the user may not do what the destination needs.',
    exit: 'credentials',
  },
} as const satisfies ErrorCodes
