select entity, arm, triggered_at, mixed, sync, share, stratum from (
  select entity, arm, triggered_at, sync, share, stratum,
    case when min(arm) over (partition by entity) = max(arm) over (partition by entity) then 0 else 1 end as mixed,
    row_number() over (partition by entity order by triggered_at, case when arm = 'withheld' then 0 else 1 end, arm) as nth
  from (select coalesce(own.entity, coalesce(e.person, e.key)) as entity, e.arm as arm, e.triggered_at as triggered_at, e.sync as sync, e.share as share, e.stratum as stratum
    from (select * from exposures where holdout = $1 and epoch = $2 and sync = $3) e left join members own on own.key = coalesce(e.person, e.key)) triggers
) firsts where nth = 1
-- $1 = "global"
-- $2 = "2026H1"
-- $3 = "renewal_due"

select arm, count(*) as n, sum(mixed) as mixed, min(triggered_at) as first_at, max(triggered_at) as last_at
from units group by arm order by arm

select share, recorded, drawn, count(*) as n from (
  select e.share as share, case when e.arm = 'withheld' then 'withheld' else 'treated' end as recorded,
    case when e.draw is null then 'elsewhere' when (cast(concat('0x', substr(sha256(concat('acme', ':', e.person)), 1, 13)) as BIGINT) / cast(4503599627370496 as DOUBLE)) < e.share then 'withheld' else 'treated' end as drawn
  from (
    select coalesce(person, key) as person, arm, draw, coalesce(share, 0.05) as share from (select * from exposures where holdout = $1 and epoch = $2 and sync = $3) x
  ) e where not exists (select 1 from members own where own.key = e.person and own.entity in (select entity from members m group by entity having count(*) > 1))
) drawn_again group by share, recorded, drawn order by share, recorded, drawn
-- $1 = "global"
-- $2 = "2026H1"
-- $3 = "renewal_due"

select u.arm as arm, count(*) as n, sum(case when d.last_at >= u.triggered_at then 1 else 0 end) as delivered
from units u left join (
  select coalesce(d.person, d.key) as entity, max(d.as_of) as last_at from deliveries d where d.sync = $1 group by 1
) d on d.entity = u.entity group by u.arm order by u.arm
-- $1 = "renewal_due"

select entity, happened_at, value from (select entity, happened_at, value, row_number() over (partition by same, case when same is null then entity end, case when same is null then happened_at end, case when same is null then value end order by case when entity is not null and happened_at is not null and value is not null and isfinite(value) then 0 else 1 end, happened_at, value) as nth
from (select coalesce(own.entity, e.person) as entity, e.happened_at as happened_at, e.value as value, e.same as same from (select nullif(cast("person" as VARCHAR), '') as person, cast("bought" as TIMESTAMPTZ) as happened_at,
    cast("amount" as DOUBLE) as value, case when (cast("id" as VARCHAR)) is null then null else cast(to_json([cast("id" as VARCHAR)]) as VARCHAR) end as same from stage) e left join members own on own.key = e.person) read_events) events where entity is not null and happened_at is not null and value is not null and isfinite(value) and nth = 1

select count(*) as n, coalesce(sum(case when entity is null then 1 else 0 end), 0) as nobody, coalesce(sum(case when entity is not null and happened_at is null then 1 else 0 end), 0) as undated,
  coalesce(sum(case when entity is not null and happened_at is not null and not (value is not null and isfinite(value)) then 1 else 0 end), 0) as unusable,
  coalesce(sum(case when entity is not null and happened_at is not null and value is not null and isfinite(value) and nth > 1 then 1 else 0 end), 0) as repeated
from (select entity, happened_at, value, row_number() over (partition by same, case when same is null then entity end, case when same is null then happened_at end, case when same is null then value end order by case when entity is not null and happened_at is not null and value is not null and isfinite(value) then 0 else 1 end, happened_at, value) as nth
from (select coalesce(own.entity, e.person) as entity, e.happened_at as happened_at, e.value as value, e.same as same from (select nullif(cast("person" as VARCHAR), '') as person, cast("bought" as TIMESTAMPTZ) as happened_at,
    cast("amount" as DOUBLE) as value, case when (cast("id" as VARCHAR)) is null then null else cast(to_json([cast("id" as VARCHAR)]) as VARCHAR) end as same from stage) e left join members own on own.key = e.person) read_events) events

select u.arm as arm, least(coalesce(sum(case when e.happened_at > u.triggered_at then e.value else 0 end), 0), 500) as y, coalesce(sum(case when e.happened_at <= u.triggered_at then e.value else 0 end), 0) as x
from units u left join events e on e.entity = u.entity and (e.happened_at + to_milliseconds(cast(7776000000 as BIGINT))) > u.triggered_at and e.happened_at <= (u.triggered_at + to_milliseconds(cast(2592000000 as BIGINT)))
where (u.triggered_at + to_milliseconds(cast(2592000000 as BIGINT))) <= cast('2026-06-01T00:00:00.000Z' as TIMESTAMPTZ)
group by u.entity, u.arm, u.triggered_at

select v.arm as arm, count(*) as n, sum(case when v.y <> 0 then 1 else 0 end) as non_zero,
  sum(v.y) as sum_y, sum(v.x) as sum_x,
  sum((v.y - m.y) * (v.y - m.y)) as myy, sum((v.y - m.y) * (v.y - m.y) * (v.y - m.y)) as myyy, sum((v.x - m.x) * (v.x - m.x)) as mxx, sum((v.x - m.x) * (v.y - m.y)) as mxy, sum((v.x - m.x) * (v.x - m.x) * (v.x - m.x)) as mxxx, sum((v.x - m.x) * (v.x - m.x) * (v.y - m.y)) as mxxy, sum((v.x - m.x) * (v.y - m.y) * (v.y - m.y)) as mxyy
from person_values v inner join (select arm, avg(y) as y, avg(x) as x from person_values means group by arm) m on m.arm = v.arm
group by v.arm order by v.arm
