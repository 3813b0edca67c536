/*---
description: What each product cost and how many there were, from one change to the next, as known at the run's own clock
owner: data@acme.example
key: [product_id, valid_from]
columns:
  product_id: { type: string, tests: [not_null] }
  price: { type: number, tests: [not_null, { between: [0.01, 10000] }] }
  stock: { type: integer, tests: [not_null] }
  valid_until: { type: timestamp, description: "NULL: it still is so" }
---*/
select
    product_id,
    name,
    price,
    stock,
    changed_at as valid_from,
    lead(changed_at) over (partition by product_id order by changed_at) as valid_until
from {{source "products"}}
where changed_at < {{run_at}}
