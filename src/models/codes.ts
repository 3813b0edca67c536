import type { ErrorCodes } from '../project/problem.ts'

/** Errors of models: their templates, their SQL, their graph and their contracts. */
export const modelsCodes = {
  A2001: {
    title: 'a template cannot be read',
    explanation:
      'The braces of a model do not fit together, or a helper is written in a way Handlebars does not know. Helpers take their argument after a space and in double quotes: `{{ref "customers"}}`, not `{{ ref(\'customers\') }}`. Blocks are closed by their own name: `{{#if (var "x")}} … {{/if}}`.',
    exit: 'invalid',
  },
  A2002: {
    title: 'something a model may not contain',
    explanation:
      'Models know helpers, `#if` and `#unless` on a variable, partials with a fixed name, and comments. `{{{x}}}`, `#each`, `#with`, raw blocks, decorators, inline and computed partials are left out on purpose: each of them would put unchecked text into SQL.',
    exit: 'invalid',
  },
  A2003: {
    title: 'not a helper',
    explanation:
      'A name between braces is not one of `ref`, `source`, `var`, `ident`, `run_date` and `run_at` (and `this`, in SQL tests). A variable is written `{{var "name"}}`, another model `{{ref "name"}}`. Environment variables and columns are not available in a model.',
    exit: 'invalid',
  },
  A2004: {
    title: 'a helper with the wrong argument',
    explanation:
      '`ref`, `source` and `var` take one name in double quotes; `ident` takes a name in double quotes or `(var "name")`; `run_date` and `run_at` take nothing; `#if` and `#unless` take `(var "name")`.',
    exit: 'invalid',
  },
  A2005: {
    title: 'no such model',
    explanation:
      '`ref`, or a `relationships` test, names a model that does not exist. The name of a model is its file\'s name without `.sql`. Relations that are there already are sources: `{{source "name"}}`.',
    exit: 'invalid',
  },
  A2006: {
    title: 'no such source',
    explanation: '`source` names something that is not declared under `sources` in `activate.yml`.',
    exit: 'invalid',
  },
  A2007: {
    title: 'no such variable',
    explanation:
      'A variable is used that is not declared under `vars` in `activate.yml`. This is checked in every branch of an `#if`, also in those that are not taken.',
    exit: 'invalid',
  },
  A2008: {
    title: 'a partial is missing or includes itself',
    explanation:
      'Partials are files below `models/_partials/`, named without `.sql`. A partial may include others, but never itself, and not deeper than 64 levels.',
    exit: 'invalid',
  },
  A2009: {
    title: 'a template expression touches quotes or other text',
    explanation:
      'Helpers give a finished piece of SQL: `var` is a quoted literal, `ident` and `ref` are quoted names. Inside quotes, or glued to a word, that piece would mean something else. Write `name = {{var "x"}}` instead of `name = \'{{var "x"}}\'`, and join texts by the warehouse\'s own `||`.',
    exit: 'invalid',
  },
  A2010: {
    title: 'models refer to each other in a circle',
    explanation:
      'Each model is computed from those it refers to, so there must be a first one. The message shows the circle; take one `ref` out of it.',
    exit: 'invalid',
  },
  A2011: {
    title: 'more than one statement',
    explanation:
      'A model is exactly one select. A semicolon at its end is fine; anything after it is refused, because models only read.',
    exit: 'invalid',
  },
  A2012: {
    title: 'not a select',
    explanation:
      'A model starts with `select`, `with`, `from` or `values`, and changes nothing: no insert, update, delete or merge, not inside a CTE either.',
    exit: 'invalid',
  },
  A2013: {
    title: 'a model is too large',
    explanation:
      'A template, or the SQL that it becomes, is larger than 1 MiB. Partials that include each other many times grow quickly.',
    exit: 'invalid',
  },
  A2014: {
    title: 'SQL that cannot be read',
    explanation:
      'A quote, a comment or a parenthesis is not closed, a placeholder such as `$1` or `?` stands in the text (use `{{var "name"}}`), a name starts with the reserved `__model__`, or an invisible character stands between the words, as happens to text copied from a web page.',
    exit: 'invalid',
  },
  A2015: {
    title: 'not an identifier',
    explanation:
      '`ident` takes letters, digits and underscores, not starting with a digit, at most 128 of them. Anything else can be written into the model and quoted by hand.',
    exit: 'invalid',
  },
  A2016: {
    title: 'a variable without a literal',
    explanation: 'A variable is not a number, such as `.nan` or `.inf` in YAML, and no literal of it exists in SQL.',
    exit: 'invalid',
  },
  A2020: {
    title: 'a declared column is missing',
    explanation:
      'A model or source does not return a column that its contract declares. Names are compared exactly, upper and lower case included. Nothing was planned.',
    exit: 'failed',
  },
  A2021: {
    title: 'a column has another type than declared',
    explanation:
      'The warehouse says that a column is not of the declared type. Cast it in the model, or mend the declaration. An integer satisfies `number`.',
    exit: 'failed',
  },
  A2022: {
    title: 'a declared test failed',
    explanation:
      'Rows of a model or source break a test of its contract. `activate test --select <name>` shows up to five of them. `on_violation: quarantine` leaves such rows out and plans the rest, `warn` plans them all and says so; a test of the relation as a whole (`row_count`, a SQL test) names no rows that could be left out.',
    exit: 'failed',
  },
  A2023: {
    title: 'a source is stale',
    explanation:
      "The newest value of the freshness column is older than `max_age` allows, measured at the run's own clock. Usually the load before the run failed or is late.",
    exit: 'failed',
  },
  A2024: {
    title: 'freshness cannot be told',
    explanation:
      'The freshness column holds no date or timestamp, or no value at all. Declare its type under `columns`, or name another column.',
    exit: 'failed',
  },
  A2025: {
    title: 'a declared test could not be computed',
    explanation:
      'The warehouse refused the query of a test. Its own message is shown: usually the values of the test do not fit the type of the column, or a custom SQL test has a mistake.',
    exit: 'failed',
  },
} as const satisfies ErrorCodes

export type ModelsCode = keyof typeof modelsCodes
