select
  coalesce(p.key, s.key) as key,
  case when s.key is null then 'enter' when p.key is null then 'leave' else 'change' end as op,
  false as kept
from (select key, digest from (select `id` as key, concat('{\"tier\":', coalesce(if(cast(`tier` as STRING) is null, null, to_json_string(cast(`tier` as STRING))), 'null'), '}') as payload, farm_fingerprint(concat('{\"tier\":', coalesce(if(cast(`tier` as STRING) is null, null, to_json_string(cast(`tier` as STRING))), 'null'), '}')) as digest from stage) population) p
full join (select key, digest from snapshot__s where standing <> 'left') s on p.key = s.key
where p.key is null or s.key is null or p.digest <> s.digest
