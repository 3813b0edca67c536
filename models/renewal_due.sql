/*---
description: >
  Subscriptions that renew within 30, 7 or 1 day, one row per reminder. A reminder stays due until the next one takes over,
  so that a night that did not run is made up for. Monthly plans get no 30-day reminder: it would follow the last renewal.
  Who agreed to hear about renewals is asked by the consent policy and not here.
owner: retention@acme.example
key: [subscription_id, days_ahead]
columns:
  subscription_id: { type: string, tests: [not_null] }
  days_ahead: { type: integer, tests: [not_null, { accepted_values: [30, 7, 1] }] }
  email: { type: string, tests: [not_null] }
  renews_on: { type: date, tests: [not_null] }
---*/
with steps as (
    -- One reminder is due while `days_after < days left <= days_ahead`.
    select 30 as days_ahead, 7 as days_after
    union all
    select 7, 1
    union all
    select 1, -1
)

select
    s.subscription_id,
    t.days_ahead,
    s.customer_id,
    c.email,
    coalesce(c.first_name, 'Hello') as greeting,
    s.plan,
    s.billing_cycle,
    s.price,
    s.renews_on
from {{source "subscriptions"}} s
inner join steps t
    on {{date_diff "s.renews_on" (run_date)}} <= t.days_ahead
    and {{date_diff "s.renews_on" (run_date)}} > t.days_after
inner join {{ref "stg_customers"}} c on c.customer_id = s.customer_id
where s.status = 'active'
    and not (s.billing_cycle = 'monthly' and t.days_ahead = 30)
    and c.email is not null
