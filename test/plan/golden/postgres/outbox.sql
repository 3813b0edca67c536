with diffed as materialized (
  select d.key, d.op, d.kept,
    s.standing as was,
    case when d.op = 'leave' then s.payload else a.payload end as payload,
    case when d.op = 'leave' then s.digest else a.digest end as digest,
    case when d.op = 'enter' then null else s.payload end as previous,
    encode(sha256(convert_to(case when d.op = 'leave' then s.payload else a.payload end, 'UTF8')), 'hex') as row_hash,
    coalesce(s.episode, 0) + case when d.op = 'enter' then 1 else 0 end as episode,
    coalesce(s.version, 0) + 1 as version,
    coalesce(a.person, s.person, d.key) as person, coalesce(a.topic, s.topic, '') as topic, coalesce(a.address, s.address) as address,
    a.subjects, a.quiet_zone, a.window_zone, coalesce(a.expired, false) as expired
  from change__run d
  left join about__run a on a.key = d.key
  left join snapshot__s s on s.key = d.key
  where d.op <> 'change' or a.payload <> s.payload or s.standing = 'remains'
), change as (
  select diffed.*, diffed.person as entity from diffed
), rule_0 as (
  select change.*, case when unresolved.key is not null then 1
    when follower.key is not null then 2
    when change.op not in ('enter') then 3
    when change.kept then 4
    when change.op = 'enter' and outside.key is not null then 5
    when case when draw_0_before.u < (cast(cast('x' || substr(encode(sha256(convert_to(concat('acme-2026H1', ':', change.entity), 'UTF8')), 'hex'), 1, 13) as bit(52)) as bigint) / cast(4503599627370496 as double precision)) then draw_0_before.u else (cast(cast('x' || substr(encode(sha256(convert_to(concat('acme-2026H1', ':', change.entity), 'UTF8')), 'hex'), 1, 13) as bit(52)) as bigint) / cast(4503599627370496 as double precision)) end < 0.05 then 6
    when rejection.key is not null and rejection.row_hash = change.row_hash and rejection.next_attempt_at > cast('2026-03-01T02:00:00.000Z' as timestamptz) then 7
    when delivery.last_at > (cast('2026-03-01T02:00:00.000Z' as timestamptz) + interval '1 millisecond' * (-86400000)) then 8
    when change.op <> 'leave' and change.expired then 9
    when coalesce(quiet_hours.shut, quiet_default.shut) then 10
    when parked_address.recipient is not null then 11 else 0 end as rule_0
  from change
  left join (select distinct key from unresolved where sync = $1) unresolved on unresolved.key = change.key
  left join (select distinct key from followers where sync = $2) follower on follower.key = change.key
  left join (select distinct key from ineligible where sync = $3 and until is null and reason in ('rollout.outside', 'qa.outside')) outside on outside.key = change.key
  left join (
    select coalesce(e.person, e.key) as entity, min(e.draw) as u from exposures e
    where e.holdout = $4 and e.epoch = $5 and e.arm = 'withheld' group by 1
  ) draw_0_before on draw_0_before.entity = change.entity
  left join (select * from rejections where sync = $6) rejection on rejection.key = change.key
  left join (
    select coalesce(d.person, d.key) as entity, coalesce(d.topic, '') as topic, max(d.as_of) as last_at
    from deliveries d where d.sync = $7 and coalesce(d.person, d.key) in (select entity from change) group by 1, 2
  ) delivery on delivery.entity = change.entity and delivery.topic = change.topic
  left join quiet_zones quiet_hours on quiet_hours.zone = change.quiet_zone
  left join quiet_zones quiet_default on quiet_default.zone = $8
  left join (select distinct u.address as recipient, coalesce(u.topic, '') as topic from unresolved u where u.sync = $9 and coalesce(u.op, 'enter') = 'enter' and u.address in (select address from change where address is not null)) parked_address on parked_address.recipient = change.address and parked_address.topic = change.topic
), rule_12 as (
  select change.*, case when case when same_address.others > 0 then 0 else 1 end > 0 then first_value(change.key) over (partition by change.rule_0 = 0, change.address, change.topic order by change.key) end as follows_12,
    case when change.rule_0 = 0 and row_number() over (partition by change.rule_0 = 0, change.address, change.topic order by change.key) > case when same_address.others > 0 then 0 else 1 end and change.address is not null
      then 12 else change.rule_0 end as rule_12
  from rule_0 change
  left join (
    select s.address as recipient, coalesce(s.topic, '') as topic, count(*) as others
    from snapshot__s s
    where s.standing in ('member', 'withheld') and s.address in (select address from change where address is not null)
      and s.key not in (select key from change__run where op <> 'change')
    group by 1, 2
  ) same_address on same_address.recipient = change.address and same_address.topic = change.topic
), rule_13 as (
  select change.*, cap_0.used as cap_0_used,
    case when change.rule_12 = 0 and row_number() over (partition by change.rule_12 = 0, change.entity order by change.key) > 3 - coalesce(cap_0.used, 0) and cap_0.outranked = 1
      then 13 else change.rule_12 end as rule_13
  from rule_12 change
  left join (
    select entity, count(*) as used,
      max(case when priority > 0 and as_of >= cast('2026-03-01T00:00:00.000Z' as timestamptz) then 1 else 0 end) as outranked
    from (select max(c.person) as entity, max(c.priority) as priority, max(c.as_of) as as_of
      from (select change_id, coalesce(person, key) as person, priority, as_of from deliveries where communication and as_of > (cast('2026-03-01T02:00:00.000Z' as timestamptz) + interval '1 millisecond' * (-604800000)) and channel = $10 and purpose in ($11)
      union all select change_id, coalesce(person, key) as person, priority, as_of from reservations where as_of > (cast('2026-03-01T02:00:00.000Z' as timestamptz) + interval '1 millisecond' * (-604800000)) and channel = $12 and purpose in ($13)) c where c.person in (select entity from change) group by c.change_id) usage group by 1
  ) cap_0 on cap_0.entity = change.entity
), rule_14 as (
  select change.*,
    case when change.rule_13 = 0 and row_number() over (partition by change.rule_13 = 0, change.entity order by change.key) > 3 - coalesce(change.cap_0_used, 0)
      then 14 else change.rule_13 end as rule_14
  from rule_13 change
  
), numbered as (
  select change.*, change.rule_14 as rule,
    case when change.rule_14 = 0 then row_number() over (partition by change.rule_14 = 0 order by change.op = 'leave', change.key) end as ordinal
  from rule_14 change
), decided as (
  select change.*,
    case rule when 1 then 'blocked' when 2 then 'blocked' when 3 then 'skip' when 4 then 'skip' when 5 then 'skip' when 6 then 'withhold' when 7 then 'blocked' when 8 then 'skip' when 9 then 'skip' when 10 then 'defer' when 11 then 'blocked' when 12 then 'skip' when 13 then 'defer' when 14 then 'defer' else case when ordinal <= 100 then 'send' else 'defer' end end as decision,
    case rule when 1 then 'unresolved.parked' when 2 then 'unresolved.duplicate' when 3 then 'mode.left_alone' when 4 then 'mapping.kept' when 5 then 'first_run.baseline' when 6 then 'holdout.global' when 7 then 'rejection.not_due' when 8 then 'reentry.recent' when 9 then 'expired.renews_on' when 10 then 'quiet_hours.window' when 11 then 'unresolved.duplicate' when 12 then 'duplicate.address' when 13 then 'priority.outranked' when 14 then 'cap.marketing_email' else case when ordinal <= 100 then null else 'limit.reached' end end as reason
  from numbered change
)
select
  case when ordinal <= 100 then ordinal else null end as seq,
  change.key, op, decision, reason,
  substr(encode(sha256(convert_to(case when ('acme') is null or ('s') is null or (change.key) is null or (op) is null or (cast(version as text)) is null or (row_hash) is null then null else (('[' || cast(to_json(cast('acme' as text)) as text) || ',' || cast(to_json(cast('s' as text)) as text) || ',' || cast(to_json(cast(change.key as text)) as text) || ',' || cast(to_json(cast(op as text)) as text) || ',' || cast(to_json(cast(cast(version as text) as text)) as text) || ',' || cast(to_json(cast(row_hash as text)) as text) || ']') collate "C") end, 'UTF8')), 'hex'), 1, 32) as change_id,
  row_hash, payload, digest, previous, episode, version,
  case
    when decision not in ('send', 'skip', 'withhold') then null
    
    when decision = 'withhold' or decision = 'skip' and change.op = 'change' and change.was = 'withheld' then 'withheld'
    when change.op <> 'leave' then 'member'
    when decision = 'send' then 'left'
    
    else 'left' end as standing,
  case rule when 12 then follows_12 end as follows,
  rule, person, topic, address, subjects,
  coalesce(quiet_own.until, quiet_default.until) as not_after,
  cast(null as text) as basis,
  cast(null as text) as evidence
from decided change
left join quiet_zones quiet_own on quiet_own.zone = change.quiet_zone
left join quiet_zones quiet_default on quiet_default.zone = $14
-- $1 = "s"
-- $2 = "s"
-- $3 = "s"
-- $4 = "global"
-- $5 = "2026H1"
-- $6 = "s"
-- $7 = "s"
-- $8 = "Europe/London"
-- $9 = "s"
-- $10 = "email"
-- $11 = "marketing"
-- $12 = "email"
-- $13 = "marketing"
-- $14 = "Europe/London"
