/*---
description: >
  Every answer about contact, one row each, with what it rests on. The policy in activate.yml reads it: the latest answer of a
  person for a channel and purpose counts, and where there is none the answer is no. Programmes do not join it themselves.
owner: privacy@acme.example
key: [customer_id, channel, purpose, updated_at]
columns:
  customer_id: { type: string, tests: [not_null] }
  channel: { type: string, tests: [not_null] }
  purpose: { type: string, tests: [not_null] }
  status: { type: string, tests: [not_null, { accepted_values: [granted, denied] }] }
  updated_at: { type: timestamp, tests: [not_null] }
---*/
select customer_id, channel, purpose, status, updated_at, basis, evidence
from {{source "consent_answers"}}
where updated_at < {{run_at}}

union all

-- Leads answer in the form and by the link below each e-mail. Their ids and those of customers never meet: L000042, 000042.
select
    lead_id as customer_id,
    'email' as channel,
    'marketing' as purpose,
    case event when 'opted_in' then 'granted' else 'denied' end as status,
    happened_at as updated_at,
    'consent' as basis,
    event || ' ' || event_id as evidence
from {{source "lead_events"}}
where event in ('opted_in', 'unsubscribed')
    and happened_at < {{run_at}}
