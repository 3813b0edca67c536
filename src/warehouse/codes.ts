import type { ErrorCodes } from '../project/problem.ts'

export const warehouseCodes = {
  A3001: {
    title: 'the warehouse file cannot be opened',
    explanation:
      'The file that holds the state is damaged, is not a DuckDB database, was written by a newer DuckDB, or may not be read and written by this user. Restore it from a backup, or name another file under warehouse.path.',
    exit: 'failed',
  },
  A3002: {
    title: 'another process holds the warehouse file',
    explanation:
      'DuckDB lets one process at a time write a file. Wait for the other run to end, or close the program that has the file open (a SQL editor, a notebook, `duckdb`).',
    exit: 'locked',
  },
  A3003: {
    title: 'an attached database is missing',
    explanation:
      'A file under warehouse.attach does not exist or may not be read. Check its path, which counts from activate.yml.',
    exit: 'failed',
  },
  A3004: {
    title: 'a database cannot be attached',
    explanation:
      'A file under warehouse.attach is no DuckDB database, is held by another process, or its alias is taken. CSV and Parquet files are declared under sources instead.',
    exit: 'failed',
  },
  A3005: {
    title: 'a warehouse setting is not valid',
    explanation:
      'warehouse.memory is a number and a unit, such as 2GB or 512MB; warehouse.threads is a whole number above zero.',
    exit: 'invalid',
  },
  A3006: {
    title: 'a name cannot be used as an SQL identifier',
    explanation: 'Names of columns, tables and schemas must not be empty or hold a NUL character.',
    exit: 'invalid',
  },
  A3007: {
    title: 'a value cannot be written into SQL',
    explanation:
      'Literals must be finite numbers, texts, booleans, dates or timestamps; NaN and infinities have no counterpart.',
    exit: 'invalid',
  },
  A3010: {
    title: 'the warehouse refused a statement',
    explanation:
      'The message is the warehouse’s own. `activate compile <model>` prints the statement that a model becomes.',
    exit: 'failed',
  },
  A3011: {
    title: 'a statement was cancelled',
    explanation:
      'The run was interrupted while the warehouse was computing. Nothing of the statement took effect; run it again.',
    exit: 'interrupted',
  },
  A3012: {
    title: 'the warehouse ran out of memory or disk',
    explanation:
      'The statement needed more than warehouse.memory and could not spill to disk, or the disk is full. Raise warehouse.memory, free disk space beside the warehouse file, or lower warehouse.threads.',
    exit: 'failed',
  },
  A3013: {
    title: 'the warehouse is closed',
    explanation: 'A statement was sent to a warehouse that has been closed; this happens after an interruption.',
    exit: 'interrupted',
  },
  A3020: {
    title: 'a seed file cannot be read',
    explanation: 'The CSV file is missing, may not be read, or is not valid UTF-8.',
    exit: 'failed',
  },
  A3021: {
    title: 'a seed file has no usable header',
    explanation: 'The first line names the columns: none empty, none twice, and all that the source declares.',
    exit: 'failed',
  },
  A3022: {
    title: 'a seed file is malformed',
    explanation: 'A row has more or fewer fields than the header, or a quote is never closed. Nothing was replaced.',
    exit: 'failed',
  },
  A3023: {
    title: 'a value in a seed file does not fit its type',
    explanation: 'Correct the value, or declare another type for the column under sources. Nothing was replaced.',
    exit: 'failed',
  },
  A3030: {
    title: 'PostgreSQL cannot be reached',
    explanation:
      'No server answers under the host and port of warehouse.url, or it takes no more connections. Check the URL, the network and whether the server runs.',
    exit: 'failed',
  },
  A3031: {
    title: 'PostgreSQL refuses the credentials',
    explanation:
      'The user, the password or the way to log in (pg_hba.conf) is not accepted. The message names user, server and database, and the variable or file that the URL comes from.',
    exit: 'credentials',
  },
  A3032: {
    title: 'the database does not exist',
    explanation: 'The server has no database of the name at the end of warehouse.url.',
    exit: 'failed',
  },
  A3033: {
    title: 'the role lacks a permission in PostgreSQL',
    explanation:
      'The help is the statement with which an administrator grants what is missing. The state needs a schema in which the role may make tables; sources need no more than to be read (docs/guides/postgres.md).',
    exit: 'failed',
  },
  A3034: {
    title: 'the connection to PostgreSQL was lost',
    explanation:
      'The server went away, the network broke, or an administrator ended the session while a statement ran. What was computed is thrown away and never taken for an empty result; the next run first finds out what took effect.',
    exit: 'failed',
  },
  A3035: {
    title: 'a statement took too long',
    explanation: 'The server gave it up after warehouse.statement_timeout. Nothing of it took effect.',
    exit: 'failed',
  },
  A3036: {
    title: 'a name is too long for PostgreSQL',
    explanation:
      'PostgreSQL keeps 63 bytes of a name and cuts the rest off without a word, so that two columns could become one. Shorten it in the model or in the header of the file.',
    exit: 'invalid',
  },
  A3037: {
    title: 'the PostgreSQL server is not suitable',
    explanation: 'The server is older than PostgreSQL 14, or the encoding of the database is not UTF8.',
    exit: 'failed',
  },
  A3038: {
    title: 'no encrypted connection to PostgreSQL',
    explanation:
      'The server offers no TLS, or its certificate is not valid for it. Servers on other machines are verified unless warehouse.tls says otherwise.',
    exit: 'failed',
  },
  A3039: {
    title: 'a setting of the PostgreSQL warehouse is not valid',
    explanation: 'The message names the setting and what is wrong with it.',
    exit: 'invalid',
  },
  A3040: {
    title: 'an administrator cancelled a statement',
    explanation: 'Somebody called pg_cancel_backend on a session of this run. Nothing of the statement took effect.',
    exit: 'failed',
  },
  A3041: {
    title: 'PostgreSQL lost the scratch tables of a run',
    explanation:
      'A server that comes back after a crash has emptied its unlogged tables, and a standby has none of them. The run ends, so that an empty table is never taken for an empty model.',
    exit: 'failed',
  },
  A3042: {
    title: 'another session is in the way',
    explanation: 'A deadlock or a lock that was not had in time, several times in a row. Run it again.',
    exit: 'failed',
  },
  A3043: {
    title: 'PostgreSQL ran out of room',
    explanation: 'The disk is full, memory is short, there are too many connections, or a limit of the server was met.',
    exit: 'failed',
  },
  A3050: {
    title: 'BigQuery cannot be reached',
    explanation:
      'No answer came, or only answers that say to try again, for about half a minute. A statement whose answer was lost is asked for again under the same job id, so that it takes effect once.',
    exit: 'failed',
  },
  A3051: {
    title: 'BigQuery refuses the credentials',
    explanation:
      'The message says which were used: application default credentials, the key that warehouse.credentials names, or either of them acting as warehouse.impersonate.',
    exit: 'credentials',
  },
  A3053: {
    title: 'a permission is missing in BigQuery',
    explanation:
      'The help names the role and what to grant it on, of all that is missing. The state needs roles/bigquery.dataOwner on its own dataset (roles/bigquery.dataEditor with `undo_days: 0`), jobs roles/bigquery.jobUser on the project; sources need no more than roles/bigquery.dataViewer (docs/guides/bigquery.md). `activate doctor` asks for each beforehand.',
    exit: 'failed',
  },
  A3054: {
    title: 'a dataset is not where BigQuery looks for it',
    explanation:
      'A query reads datasets of one location. The dataset does not exist, or stands in another location than the state: copy it, or put the state beside it.',
    exit: 'failed',
  },
  A3055: {
    title: 'a query would cost more than allowed',
    explanation:
      'BigQuery refuses a query that would bill more than warehouse.maximum_bytes_billed. It has read and billed nothing.',
    exit: 'failed',
  },
  A3056: {
    title: 'a quota of BigQuery is used up',
    explanation:
      'The project may not do more of this for now. Wait, or ask for a higher quota; the next run goes on where this one ended.',
    exit: 'failed',
  },
  A3057: {
    title: 'a statement is too large for BigQuery',
    explanation:
      'It needs more resources than BigQuery gives one query, or its result is too large. Make the model smaller.',
    exit: 'failed',
  },
  A3059: {
    title: 'a setting of the BigQuery warehouse is not valid',
    explanation: 'The message names the setting and what is wrong with it.',
    exit: 'invalid',
  },
  A3060: {
    title: 'a night would cost more than allowed',
    explanation:
      'A statement of the night would bill more than warehouse.maximum_bytes_billed, by what BigQuery says of the model and by the size of the snapshot. Nothing was computed, billed or sent. Without this, BigQuery would refuse the statement in the midst of the night, or after everything was sent.',
    exit: 'failed',
  },
  A3061: {
    title: 'rows do not come over the Storage Read API of BigQuery',
    explanation:
      'The package that reads them is not installed, the API was not reached, or what it sent were not the rows of the result in their order. With warehouse.storage_read: auto this is a note, and rows are read in pages from the first that is missing; with always the run ends.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes
