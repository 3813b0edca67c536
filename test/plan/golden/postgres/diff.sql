select
  coalesce(p.key, s.key) as key,
  case when s.key is null then 'enter' when p.key is null then 'leave' else 'change' end as op,
  false as kept
from (select key, digest from (select "id" as key, (('{"tier":' || coalesce(cast(to_json(cast("tier" as text)) as text), 'null') || '}') collate "C") as payload, hash_record_extended(row(cast('tier VARCHAR' as text), cast("tier" as text)), 0) as digest from stage) population) p
full join (select key, digest from snapshot__s where standing <> 'left') s on p.key = s.key
where case when p.key is null or s.key is null or p.digest <> s.digest then 1 end = 1
