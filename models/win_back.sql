/*---
description: >
  Repeat customers who have not ordered for three to nine months: no refund in the last 30 days, and no payment that is being
  collected. Consent, suspicion of fraud and caps are policies of activate.yml.
owner: retention@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  email: { type: string, tests: [not_null] }
  tier: { type: string, tests: [{ accepted_values: [gold, silver, bronze] }] }
---*/
with lately_refunded as (
    select distinct customer_id
    from {{source "refunds"}}
    where refunded_at < {{run_at}}
        and {{date_diff (run_date) "refunded_at"}} < {{var "refund_quiet_days"}}
)

select
    v.customer_id,
    c.email,
    coalesce(c.first_name, 'Hello') as greeting,
    v.tier,
    case v.tier when 'gold' then '25%' when 'silver' then '15%' else '10%' end as discount,
    v.last_order_on
from {{ref "customer_value"}} v
inner join {{ref "stg_customers"}} c on c.customer_id = v.customer_id
left join lately_refunded r on r.customer_id = v.customer_id
left join {{ref "in_dunning"}} d on d.customer_id = v.customer_id
where v.repeats >= 1
    and {{date_diff (run_date) "v.last_order_on"}} between {{var "win_back_after_days"}} and {{var "win_back_until_days"}}
    and c.email is not null
    and r.customer_id is null
    and d.customer_id is null
