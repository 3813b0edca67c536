select 0 as model, left_kind, case left_kind when 0 then case when trim(left_value, E' \t\n\x0B\f\r                 　﻿') <> '' then left_value end when 1 then nullif(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(left_value, '^([^0-9+]*([+]|00)[^0-9A-Za-z+]*39[^0-9A-Za-z+(]*)[(]', '\1', 'g'), '[(][^0-9A-Za-z+()]*0[^0-9A-Za-z+()]*[)]|[^0-9A-Za-z+]', '', 'g'), '^[A-Za-z]*([+]+|00)', '+', 'g'), '^[A-Za-z]*0', '+44', 'g'), '^[A-Za-z]*([0-9])', '+44\1', 'g'), '^([^+].*|[+]0.*|[+].{0,7}|[+].{16,}|.+[^0-9].*)$', '', 'g'), '') end as left_value, right_kind, case right_kind when 0 then case when trim(right_value, E' \t\n\x0B\f\r                 　﻿') <> '' then right_value end when 1 then nullif(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(right_value, '^([^0-9+]*([+]|00)[^0-9A-Za-z+]*39[^0-9A-Za-z+(]*)[(]', '\1', 'g'), '[(][^0-9A-Za-z+()]*0[^0-9A-Za-z+()]*[)]|[^0-9A-Za-z+]', '', 'g'), '^[A-Za-z]*([+]+|00)', '+', 'g'), '^[A-Za-z]*0', '+44', 'g'), '^[A-Za-z]*([0-9])', '+44\1', 'g'), '^([^+].*|[+]0.*|[+].{0,7}|[+].{16,}|.+[^0-9].*)$', '', 'g'), '') end as right_value,
  case when left_kind is null then coalesce(left_type, '') when right_kind is null then coalesce(right_type, '') end as unknown_type,
  confidence, later
from (select *, case left_type when 'customer_id' then 0 when 'phone' then 1 end as left_kind, case right_type when 'customer_id' then 0 when 'phone' then 1 end as right_kind
  from (select cast("left_type" as VARCHAR) as "left_type", cast("left_value" as VARCHAR) as "left_value", cast("right_type" as VARCHAR) as "right_type", cast("right_value" as VARCHAR) as "right_value", coalesce(cast(null as DOUBLE), 1) as confidence, coalesce(cast("seen_at" as TIMESTAMPTZ) > cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ), false) as later
    from (select * from stage) model) row_texts) kinds

select distinct least(l.id, r.id) as a, greatest(l.id, r.id) as b
from links link
join nodes l on l.kind = left_kind and l.value = left_value
join nodes r on r.kind = right_kind and r.value = right_value
where not later and confidence >= 0.5 and left_value is not null and right_value is not null and l.id <> r.id
