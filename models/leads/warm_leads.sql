/*---
description: Leads that are interested and not ready to be called
owner: sales@acme.example
key: lead_id
columns:
  lead_id: { type: string, tests: [not_null, unique] }
  email: { type: string, tests: [not_null] }
---*/
select lead_id, customer_id, email, greeting, company, owner
from {{ref "lead_routing"}}
where grade = 'warm'
    and email is not null
