/*---
description: Every customer with the tier that service and sales see in the CRM; customers without an order are "new"
owner: retention@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  tier: { type: string, tests: [not_null, { accepted_values: [gold, silver, bronze, new] }] }
  ltv_about: { type: number, description: Lifetime value to the nearest 50 GBP, tests: [not_null] }
tests:
  - row_count: { min: 1 }
---*/
select
    c.customer_id,
    c.first_name,
    c.last_name,
    c.email,
    c.country,
    coalesce(v.tier, 'new') as tier,
    -- To the nearest 50: the exact value moves a little every night for everyone, which nobody in the CRM needs to know.
    round(coalesce(v.ltv, 0) / 50) * 50 as ltv_about
from {{ref "stg_customers"}} c
left join {{ref "customer_value"}} v on v.customer_id = c.customer_id
