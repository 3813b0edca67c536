/*---
description: Customers who owe a payment; nobody is asked for money and offered a discount in one week
owner: billing@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
---*/
select distinct customer_id
from {{source "subscriptions"}}
where status = 'past_due'
