import type { ErrorCodes } from '../project/problem.ts'

/** What can go wrong with the ledger. */
export const ledgerCodes = {
  A5001: {
    title: 'the ledger is damaged, or the file is not a ledger',
    explanation:
      'The file at the configured path is not a readable SQLite ledger of this tool. It is never repaired or created anew ' +
      'by itself, because it is the only record of what was sent. Restore it from a backup together with its -wal file, or ' +
      'correct the path. Only when you know that nothing is in doubt may you move it away and start with an empty one.',
    exit: 'failed',
  },
  A5002: {
    title: 'the ledger was written by a newer version',
    explanation:
      'A newer version of the tool has upgraded this ledger. It was left untouched. Use that version or a later one.',
    exit: 'failed',
  },
  A5003: {
    title: 'the lease was taken over',
    explanation:
      'Another runner holds this sync now, because this one was paused past its lease or was thought to be gone. What it ' +
      'wanted to record was refused, so that it cannot overwrite its successor. Nothing needs to be done: the other ' +
      'runner settles what was left.',
    exit: 'locked',
  },
  A5004: {
    title: 'the ledger is busy',
    explanation:
      'Another process kept the ledger locked for longer than the tool waits. Nothing was sent without being recorded. ' +
      'Look for a stopped process or a backup tool that holds the file, or on a Postgres server for the session that ' +
      'blocks (`pg_stat_activity`, `pg_blocking_pids`), and run again.',
    exit: 'locked',
  },
  A5005: {
    title: 'the ledger cannot be written',
    explanation:
      'The disk is full, or reading or writing failed. Without a ledger nothing is sent. Free some space or mend the disk, ' +
      'then run again: what was recorded before is intact, and what was being sent is settled first.',
    exit: 'failed',
  },
  A5006: {
    title: 'a request cannot be sent from its state',
    explanation:
      'Only a new, a planned or an uncertain request may be sent. This one has another state already, so sending it again ' +
      'could repeat its effect. This is a defect of the tool; please report it.',
    exit: 'failed',
  },
  A5007: {
    title: 'a request changed between two attempts',
    explanation:
      'Every attempt of a request has the same idempotency key and the same bytes. A rebuilt request differs from the one ' +
      'that was recorded, so the destination could take it for a new one; it was not sent.',
    exit: 'failed',
  },
  A5008: {
    title: 'the ledger cannot be opened',
    explanation:
      'The folder or the file of the ledger could not be created or opened. Check the path under `ledger:` in activate.yml ' +
      'and the permissions of its folder.',
    exit: 'failed',
  },
  A5009: {
    title: 'unknown run',
    explanation: 'The ledger holds no run of this id, so nothing can be recorded for it.',
    exit: 'failed',
  },
  A5010: {
    title: 'the audit trail is broken',
    explanation:
      'An entry of the audit trail was changed, taken out or put in by something other than this tool, or the end of the trail was cut off. The message names the first entry that is not as it was written. What is sent does not depend on the trail, so runs go on; find out who could write to the ledger, and compare with a backup.',
    exit: 'failed',
  },
  A5011: {
    title: 'the key file of the ledger is gone',
    explanation:
      'What dead letters hold of a record is encrypted with a key, which is in a file beside the ledger unless `ledger.key` names a secret. That file is not there any more, and the ledger holds what was sealed with it, so that a new one would only hide the loss. Restore the file from a backup. If it is lost for good, `activate dead-letters drop --all --reason …` erases what cannot be read any more; the rows are tried again when they change or their date comes. The next run then makes a new key. Nothing is sent until then.',
    exit: 'credentials',
  },
  A5012: {
    title: 'the key of the ledger is another one',
    explanation:
      'The key that is given, by `ledger.key` or by the file beside the ledger, is not the one that the ledger was sealed with: the message tells both by their ids. Give the first one again. To change keys on purpose, or when the first one is lost, let the dead letters end: replay them, or `activate dead-letters drop --all --reason …`, which needs no key. As soon as nothing is sealed any more, the new key is taken.',
    exit: 'credentials',
  },
  A5013: {
    title: 'the key of the ledger cannot be used',
    explanation:
      'The secret of `ledger.key` is too short to be safe (it is used as it is, so it has to be random: `openssl rand -hex 32`), or the key file beside the ledger cannot be read or made, or holds something else than 64 hexadecimal digits.',
    exit: 'credentials',
  },
  A5014: {
    title: 'something sealed in the ledger is not as it was written',
    explanation:
      'What is encrypted in the ledger is bound to its row, and this does not fit: it was changed, damaged, or belongs to another row. It is not shown and not used. Restore the ledger from a backup, or drop the entry, and find out who could write to the file.',
    exit: 'failed',
  },
  A5015: {
    title: 'who was erased cannot be told',
    explanation:
      'People who were erased are kept out by keyed hashes, and the key that is given is not the one that these were made with. Running without them could write to somebody who was promised not to be written to, so nothing is planned. Give the first key again, under `ledger.key` or as the key file beside the ledger.',
    exit: 'credentials',
  },
  A5016: {
    title: 'old rows were not pruned',
    explanation:
      'Once a day, at the end of a run, what is older than `retention` allows is removed from the ledger and the warehouse. This time it could not be; the message says why. The run itself is not touched by it, and the next one tries again. `activate prune` does it at once.',
    exit: 'failed',
  },
  A5020: {
    title: 'the server of the ledger cannot be reached',
    explanation:
      'The Postgres server that holds the ledger does not answer, or the connection was lost and could not be had again ' +
      'within some seconds. Without a ledger nothing is sent: a run stops, and what was on its way counts as in doubt ' +
      'until the next run has settled it. Whether the very last thing was still recorded does not matter, because the ' +
      'next run reads what is there. Check the server and the network, then run again.',
    exit: 'failed',
  },
  A5021: {
    title: 'the server of the ledger refuses the credentials',
    explanation:
      'User or password in the url of the ledger are wrong, or the server lets this user or this machine not in ' +
      '(pg_hba.conf). The message names the user and the secret that the url came from.',
    exit: 'credentials',
  },
  A5022: {
    title: 'the role lacks a grant for the ledger',
    explanation:
      'The role in the url may log in, but may not make or use the schema of the ledger. The help is the statement that ' +
      'an administrator has to run. The role needs `usage` on its schema and `select, insert, update, delete` on its ' +
      'tables; for the first run and after an upgrade of the tool it must be able to make and change tables there, which ' +
      'the owner of the schema can.',
    exit: 'credentials',
  },
  A5023: {
    title: 'it is unknown whether the ledger recorded something',
    explanation:
      'The connection was lost while a transaction was committed, and the server that answers now does not know that ' +
      'transaction, as after a failover to a copy that was behind. The run stopped. Run again: what is recorded counts, ' +
      'and what was on its way is settled first. Use synchronous replication where the loss of the last moments matters.',
    exit: 'failed',
  },
  A5024: {
    title: 'the server cannot hold a ledger',
    explanation:
      'The database does not exist, is not encoded in UTF8, can only be read (a standby), or the server is older than ' +
      'PostgreSQL 14. The message says which. Nothing was made.',
    exit: 'failed',
  },
  A5025: {
    title: 'there is no connection to the ledger to spare',
    explanation:
      'The server has reached its number of connections, or all those that this process may open stayed busy. Each ' +
      'process opens at most as many as `connections` says. Lower that, run fewer processes, or raise max_connections.',
    exit: 'failed',
  },
  A5026: {
    title: 'no TLS with the server of the ledger',
    explanation:
      'The url asks for TLS, and the server has none, its certificate is not to be trusted, or names another host. ' +
      '`sslrootcert=/path/ca.pem` names the authority that signed it; `sslmode=disable` does without TLS, which only a ' +
      'network that nobody else can listen to deserves.',
    exit: 'failed',
  },
  A5027: {
    title: 'the schema of the ledger is damaged, or belongs to something else',
    explanation:
      'The schema holds tables that this tool has not made, or those that it made are gone or changed. It is never ' +
      'repaired by itself, because it is the only record of what was sent. Restore it from a backup, or name a schema of ' +
      'its own under `ledger:`.',
    exit: 'failed',
  },
  A5028: {
    title: 'the url of the ledger is not one of a Postgres server',
    explanation:
      'A url is `postgres://user:password@host:5432/database`. Characters with a meaning in a URL, such as @ / # ? and %, ' +
      'must be percent-encoded in the password. The text itself is not shown, because it may hold one.',
    exit: 'credentials',
  },
} as const satisfies ErrorCodes

export type LedgerCode = keyof typeof ledgerCodes
