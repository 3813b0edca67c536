select staged.`id`, staged.`tier`, staged.`score`, coalesce(staged.`activate__key`, s.key) as `activate__key`, staged.`activate__not_finite`, staged.`activate__digest`,
  case when s.standing = 'member' and s.digest = staged.`activate__digest` then null else staged.`activate__payload` end as `activate__changed`,
  case when staged.`activate__part` is null then 2 when s.standing = 'member' and s.digest = staged.`activate__digest` then null else staged.`activate__part` end as `activate__part`,
  s.standing as `activate__known_standing`, s.digest as `activate__known_digest`, s.episode as `activate__known_episode`, s.version as `activate__known_version`, s.person as `activate__known_person`, s.topic as `activate__known_topic`, s.address as `activate__known_address`
from (
  select keyed.*, farm_fingerprint(`activate__payload`) as `activate__digest`, 1 as `activate__part`
  from (
    select model.*, `id` as `activate__key`, concat('{\"score\":', coalesce(case when `score` = trunc(`score`) and abs(`score`) < 1e18 then cast(cast(`score` as INT64) as STRING) when abs(`score`) >= 1e-6 and abs(`score`) < 1e21 then cast(cast(if(length(cast(`score` as STRING)) > 16 and cast(format('%.16g', `score`) as FLOAT64) = `score`, format('%.16g', `score`), cast(`score` as STRING)) as BIGNUMERIC) as STRING) else replace(regexp_replace(if(length(cast(`score` as STRING)) > 16 and cast(format('%.16g', `score`) as FLOAT64) = `score`, format('%.16g', `score`), cast(`score` as STRING)), r'e([+-])0*', r'e\1'), 'e+', 'e') end, 'null'), ',\"tier\":', coalesce(if(cast(`tier` as STRING) is null, null, to_json_string(cast(`tier` as STRING))), 'null'), '}') as `activate__payload`, (coalesce(not (not (is_nan(`score`) or is_inf(`score`))), false)) as `activate__not_finite`
    from (
select * from `shop.people`
    ) model
  ) keyed
) staged
full join (select key, standing, digest, episode, version, person, topic, address from `activate.snapshot__s`) s on s.key = staged.`activate__key`
where staged.`activate__part` is not null or s.standing <> 'left'

select `activate__key` as key, `activate__digest` as digest from stage

select count(*) as row_count, count(case when (`activate__key` is null or `activate__key` = '') then 1 end) as missing, count(distinct farm_fingerprint(`activate__key`)) as keys, count(case when `activate__not_finite` then 1 end) as not_finite from stage

select distinct key, case when not was_in then 'enter' when not is_in then 'leave' else 'change' end as op, false as kept
from (
  select `activate__key` as key, `activate__digest` <> `activate__known_digest` as differs,
    coalesce(`activate__part` = 1 and not (`activate__key` is null or `activate__key` = '') and `activate__key` not in (select key from quarantine__run where key is not null) and `activate__key` not in (select key from ineligible__run where key is not null), false) as is_in,
    coalesce(`activate__known_standing` <> 'left' and `activate__key` not in (select key from released__run where key is not null) and `activate__key` not in (select key from quarantine__run where key is not null), false) as was_in
  from stage where `activate__part` >= 1
) compared
where is_in and not was_in or was_in and not is_in or is_in and was_in and differs
