/*---
description: >
  Repeat customers whose chance of being alive fell under a half and who are not lost yet. They enter when the silence
  grows too long for their own rhythm, and leave when they buy again or when it is too late.
owner: retention@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  p_alive: { type: number, tests: [not_null, { between: [0, 1] }] }
  tier: { type: string }
---*/
select
    v.customer_id,
    v.p_alive,
    v.tier,
    v.last_order_on
from {{ref "customer_value"}} v
where v.p_alive < {{var "at_risk_below"}}
    and v.p_alive >= {{var "lost_below"}}
