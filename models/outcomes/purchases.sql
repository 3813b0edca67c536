/*---
description: Orders as outcomes, one row each, as known at the run's own clock
owner: data@acme.example
key: order_id
columns:
  order_id: { type: string, tests: [not_null, unique] }
  customer_id: { type: string, tests: [not_null] }
  ordered_at: { type: timestamp, tests: [not_null] }
---*/
-- Not the day alone, as in stg_orders: who ordered in the morning did not do so because of a mail at noon.
select order_id, customer_id, ordered_at, amount
from {{source "orders"}}
where ordered_at < {{run_at}}
