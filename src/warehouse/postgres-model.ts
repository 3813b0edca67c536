/**
 * How PostgreSQL replaces the view or table of a model. The name is always a view's; a table's rows stand beside it. New rows
 * are made before anything is taken away, and a view keeps its identity where its columns allow, so that what others built on
 * it goes on working.
 */
import { quoteName, quoteText, tableName } from './postgres-name.ts'

export function createModel(relation: string, select: string, materialised: 'view' | 'table'): readonly string[] {
  const rows = beside(relation, '__rows')
  if (materialised === 'view') return [replaceView(relation, select), `drop table if exists ${rows.relation}`]
  const fresh = beside(relation, '__new').relation
  return [
    `drop table if exists ${fresh}`,
    `create table ${fresh} as select * from (\n${select}\n) as made`,
    `analyze ${fresh}`,
    replaceView(relation, `select * from ${fresh}`),
    `drop table if exists ${rows.relation}`,
    `alter table ${fresh} rename to ${rows.name}`,
  ]
}

/** The relation of the same name and schema with something behind its name. */
function beside(relation: string, suffix: string): { readonly relation: string; readonly name: string } {
  const [, schema = '', table = ''] = /^(.*\.)?"((?:[^"]|"")*)"$/s.exec(relation) ?? []
  const name = quoteName(tableName(`${table.replaceAll('""', '"')}${suffix}`))
  return { relation: `${schema}${name}`, name }
}

/**
 * PostgreSQL replaces a view only by one that has the same columns, and perhaps more behind them. Otherwise the view goes, and
 * the views on it with it, if all of these stand in the same schema: they are models too, and are made anew before they are
 * read. A view of somebody else stops the replacement.
 */
function replaceView(relation: string, select: string): string {
  const view = `view ${relation} as select * from (\n${select}\n) as made`
  const body = `begin
  execute ${quoteText(`create or replace ${view}`)};
exception when invalid_table_definition then
  ${drop('view', relation)}
  execute ${quoteText(`create ${view}`)};
end`
  return block(body)
}

/** Drops a table of ours if it is there, in the same way. */
export function dropTable(relation: string): string {
  return block(`begin
  if to_regclass(${quoteText(relation)}) is not null then
    ${drop('table', relation)}
  end if;
end`)
}

function drop(kind: 'view' | 'table', relation: string): string {
  return `if exists (${foreignViews(relation)}) then
    execute ${quoteText(`drop ${kind} ${relation}`)};
  else
    execute ${quoteText(`drop ${kind} ${relation} cascade`)};
  end if;`
}

function block(body: string): string {
  const tag = dollarTag(body)
  return `do ${tag} ${body} ${tag}`
}

/** Views in other schemas that read the relation, itself or through views. */
function foreignViews(relation: string): string {
  return `with recursive readers as (
    select ${quoteText(relation)}::regclass::oid as oid
    union
    select r.ev_class from readers
    join pg_catalog.pg_depend d on d.refobjid = readers.oid and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid
  )
  select 1 from readers join pg_catalog.pg_class c on c.oid = readers.oid
  where c.relnamespace <> (select relnamespace from pg_catalog.pg_class where oid = ${quoteText(relation)}::regclass)`
}

function dollarTag(body: string): string {
  for (let count = 0; ; count += 1) {
    const tag = `$activate${count}$`
    if (!body.includes(tag)) return tag
  }
}
