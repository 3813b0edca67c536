/*---
description: Orders net of what was given back, as known at the run's own clock, so that a past night can be repeated
owner: data@acme.example
key: order_id
columns:
  order_id: { type: string, tests: [not_null, unique] }
  ordered_on: { type: date, tests: [not_null] }
  net_amount: { type: number, tests: [{ between: [0, 100000] }] }
---*/
with given_back as (
    select order_id, sum(amount) as amount
    from {{source "refunds"}}
    where refunded_at < {{run_at}}
    group by order_id
)

select
    o.order_id,
    o.customer_id,
    cast(o.ordered_at as date) as ordered_on,
    o.amount - coalesce(b.amount, 0) as net_amount
from {{source "orders"}} o
left join given_back b on b.order_id = o.order_id
where o.ordered_at < {{run_at}}
