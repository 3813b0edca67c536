/*---
description: Leads to call while they are hot
owner: sales@acme.example
key: lead_id
columns:
  lead_id: { type: string, tests: [not_null, unique] }
  owner: { type: string, tests: [not_null] }
---*/
select
    lead_id,
    customer_id,
    name,
    company,
    job_title,
    owner,
    score,
    -- The day after they were last seen, and not after tonight, which would be another day every night.
    {{date_add "cast(last_seen_at as date)" 1 "day"}} as call_on
from {{ref "lead_routing"}}
where grade = 'hot'
