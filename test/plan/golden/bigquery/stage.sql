select staged.`id`, staged.`tier`, staged.`score`, staged.`activate__key`, staged.`activate__not_finite`, staged.`activate__digest`,
  case when s.digest = staged.`activate__digest` then null else staged.`activate__payload` end as `activate__changed`
from (
  select keyed.*, farm_fingerprint(`activate__payload`) as `activate__digest`
  from (
    select model.*, `id` as `activate__key`, concat('{\"score\":', coalesce(case when `score` = trunc(`score`) and abs(`score`) < 1e18 then cast(cast(`score` as INT64) as STRING) when abs(`score`) >= 1e-6 and abs(`score`) < 1e21 then cast(cast(if(length(cast(`score` as STRING)) > 16 and cast(format('%.16g', `score`) as FLOAT64) = `score`, format('%.16g', `score`), cast(`score` as STRING)) as BIGNUMERIC) as STRING) else replace(regexp_replace(if(length(cast(`score` as STRING)) > 16 and cast(format('%.16g', `score`) as FLOAT64) = `score`, format('%.16g', `score`), cast(`score` as STRING)), r'e([+-])0*', r'e\1'), 'e+', 'e') end, 'null'), ',\"tier\":', coalesce(if(cast(`tier` as STRING) is null, null, to_json_string(cast(`tier` as STRING))), 'null'), '}') as `activate__payload`, (coalesce(not (not (is_nan(`score`) or is_inf(`score`))), false)) as `activate__not_finite`
    from (
select * from `shop.people`
    ) model
  ) keyed
) staged
left join (select key, digest from `activate.snapshot__s` where standing = 'member') s on s.key = staged.`activate__key`

select `activate__key` as key, `activate__digest` as digest from stage

select count(*) as row_count, count(case when (`activate__key` is null or `activate__key` = '') then 1 end) as missing, count(distinct farm_fingerprint(`activate__key`)) as keys, count(case when `activate__not_finite` then 1 end) as not_finite from stage
