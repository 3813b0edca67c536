select id, key, root, size,
  case when size between 2 and 50 then first_value(key) over (partition by root order by since nulls last, key) else key end as entity
from (
  select n.id, n.value as key, l.root, i.since, count(*) over (partition by l.root) as size
  from labels l
  join nodes n on n.id = l.id and n.kind = 0
  left join identities i on i.type = $1 and i.value = n.value and i.entity = n.value
) records
-- $1 = "customer_id"

with before as (
  select value as key, entity from identities where type = $1
), known as (
  select distinct p.entity from persons p join before b on b.key = p.key
), moved as (
  select coalesce(b.entity, p.key) as was, coalesce(p.entity, b.key) as becomes
  from persons p full join before b on b.key = p.key
  where b.key is not null or p.entity in (select entity from known)
)
select distinct case when same.entity is not null then 'merged' else 'split' end as event,
  case when same.entity is not null then becomes else was end as entity,
  case when same.entity is not null then was else becomes end as other
from moved left join persons same on same.key = moved.was and same.entity = moved.becomes
where was <> becomes
union all
select distinct 'created', entity, cast(null as VARCHAR) from persons
where size between 2 and 50 and entity not in (select entity from known)
-- $1 = "customer_id"

delete from identities as i where not exists (select 1 from (select cast($1 as VARCHAR) as type, key as value, entity from persons union all select type, value, entity from identifiers) c where c.type = i.type and c.value = i.value and c.entity = i.entity)
-- $1 = "customer_id"

insert into identities (type, value, entity, since)
select type, value, entity, cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ) from (select cast($1 as VARCHAR) as type, key as value, entity from persons union all select type, value, entity from identifiers) c
where not exists (select 1 from identities i where c.type = i.type and c.value = i.value and c.entity = i.entity)
-- $1 = "customer_id"

insert into identity_history (as_of, run_id, event, entity, other)
select cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ), $1, event, entity, other from events e
where not exists (select 1 from identity_history h
  where h.as_of = cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ) and h.event = e.event and h.entity = e.entity and h.other is not distinct from e.other)
-- $1 = "s__1"
