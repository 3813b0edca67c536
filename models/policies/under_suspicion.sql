/*---
description: Customers with an open or confirmed case of fraud; the policy in activate.yml leaves them out of every sync
owner: risk@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
---*/
select distinct customer_id
from {{source "fraud_cases"}}
where opened_at < {{run_at}}
    and (closed_at is null or closed_at >= {{run_at}} or outcome = 'confirmed')
