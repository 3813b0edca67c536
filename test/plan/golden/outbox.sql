with change as (
  select d.key, d.op, d.kept,
    s.key is not null as seen,
    case when d.op = 'leave' then s.payload else p.payload end as payload,
    case when d.op = 'leave' then s.digest else p.digest end as digest,
    case when d.op = 'enter' then null else s.payload end as previous,
    case when d.op = 'leave' then s.row_hash else sha256(p.payload) end as row_hash,
    coalesce(s.episode, 0) + case when d.op = 'enter' then 1 else 0 end as episode,
    coalesce(s.version, 0) + 1 as version
  from change__run d
  left join (select "id" as key, concat('{"tier":', coalesce(cast(to_json(cast("tier" as VARCHAR)) as VARCHAR), 'null'), '}') as payload, cast(hash('tier VARCHAR', "tier") >> 1 as BIGINT) as digest from stage) p on p.key = d.key
  left join snapshot__s s on s.key = d.key
  where d.op <> 'change' or p.payload <> s.payload
), judged as (
  select change.*, case when unresolved.key is not null then 1
    when change.op not in ('enter') then 2
    when change.kept then 3
    when change.op = 'enter' then 4
    when rejection.key is not null and rejection.row_hash = change.row_hash and rejection.next_attempt_at > cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ) then 5
    when delivery.last_at > (cast('2026-03-01T02:00:00.000Z' as TIMESTAMPTZ) + to_milliseconds(cast((-86400000) as BIGINT))) then 6 else 0 end as rule
  from change
  left join (select * from rejections where sync = $1) rejection on rejection.key = change.key
  left join (select distinct key from unresolved where sync = $2) unresolved on unresolved.key = change.key
  left join (select key, max(as_of) as last_at from deliveries where sync = $3 group by 1) delivery on delivery.key = change.key
), numbered as (
  select judged.*,
    case when rule = 0 then row_number() over (partition by rule = 0 order by op = 'leave', key) end as ordinal
  from judged
)
select
  case when ordinal <= 100 then ordinal else null end as seq,
  key, op,
  case rule when 1 then 'blocked' when 2 then 'skip' when 3 then 'skip' when 4 then 'skip' when 5 then 'blocked' when 6 then 'skip' else case when ordinal <= 100 then 'send' else 'defer' end end as decision,
  case rule when 1 then 'unresolved.parked' when 2 then 'mode.left_alone' when 3 then 'mapping.kept' when 4 then 'first_run.baseline' when 5 then 'rejection.not_due' when 6 then 'reentry.recent' else case when ordinal <= 100 then null else 'limit.reached' end end as reason,
  substr(sha256(case when ('acme') is null or ('s') is null or (key) is null or (op) is null or (cast(version as VARCHAR)) is null or (row_hash) is null then null else cast(to_json(['acme', 's', key, op, cast(version as VARCHAR), row_hash]) as VARCHAR) end), 1, 32) as change_id,
  row_hash, payload, digest, previous, episode, version
from numbered
-- $1 = "s"
-- $2 = "s"
-- $3 = "s"
