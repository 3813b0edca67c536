select key, reason, min(row) as row from (
select nullif("id", '') as key, 'not_null:tier' as reason, (('{"id":' || coalesce(cast(to_json(cast("id" as text)) as text), 'null') || '}') collate "C") as row from stage as tested where tested."tier" is null
union all
select nullif("id", '') as key, 'key.missing' as reason, (('{"id":' || coalesce(cast(to_json(cast("id" as text)) as text), 'null') || '}') collate "C") as row from stage as tested where ("id" is null or "id" = '')
union all
select nullif("id", '') as key, 'key.duplicate' as reason, (('{"id":' || coalesce(cast(to_json(cast("id" as text)) as text), 'null') || '}') collate "C") as row from stage as tested where "id" in (select key from duplicates)
) broken group by key, reason, case when key is null then row end

select case when tested."tier" is null then 'not_null:tier' when ("id" is null or "id" = '') then 'key.missing' when "id" in (select key from duplicates) then 'key.duplicate' end as reason, count(*) as n from stage as tested
where ((tested."tier" is null) or (("id" is null or "id" = '')) or ("id" in (select key from duplicates))) group by 1 order by 1

select
  coalesce(p.key, s.key) as key,
  case when s.key is null then 'enter' when p.key is null then 'leave' else 'change' end as op,
  false as kept
from (select key, digest from (select "id" as key, '{}' as payload, hash_record_extended(row(cast('' as text)), 0) as digest from stage where not ("id" is null or "id" = '') and not exists (select 1 from (select key as excluded_key from quarantine__run) excluded where excluded.excluded_key = "id")) population) p
full join (select key, digest from snapshot__s where standing <> 'left' and not exists (select 1 from (select key as excluded_key from quarantine__run) excluded where excluded.excluded_key = key)) s on p.key = s.key
where case when p.key is null or s.key is null or p.digest <> s.digest then 1 end = 1
