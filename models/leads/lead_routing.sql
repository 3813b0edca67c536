/*---
description: Every lead with company, score and owner, as the CRM shows it
owner: sales@acme.example
key: lead_id
columns:
  lead_id: { type: string, tests: [not_null, unique] }
  customer_id: { type: string, description: "The lead's own id, under the name by which policies know a person", tests: [not_null] }
  email: { type: string }
  grade: { type: string, tests: [{ accepted_values: [hot, warm, cold] }] }
  owner: { type: string, tests: [not_null] }
tests:
  - row_count: { min: 1 }
---*/
select
    l.lead_id,
    l.lead_id as customer_id,
    nullif(lower(trim(l.email)), '') as email,
    coalesce(nullif(trim(l.first_name), ''), 'Hello') as greeting,
    trim(l.first_name || ' ' || l.last_name) as name,
    coalesce(a.name, 'unknown company') as company,
    l.job_title,
    o.territory,
    o.owner,
    s.score,
    s.grade,
    s.last_seen_at
from {{source "leads"}} l
inner join {{ref "lead_score"}} s on s.lead_id = l.lead_id
inner join {{ref "lead_owner"}} o on o.lead_id = l.lead_id
left join {{source "accounts"}} a on a.account_id = l.account_id
