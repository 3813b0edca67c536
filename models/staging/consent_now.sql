/*---
description: >
  The latest answer of each customer for each channel and purpose. Somebody who was never asked has no row, and no row means no.
  Programmes join this model themselves.
owner: privacy@acme.example
key: [customer_id, channel, purpose]
columns:
  customer_id: { type: string, tests: [not_null] }
  status: { type: string, tests: [not_null, { accepted_values: [granted, denied] }] }
---*/
with ranked as (
    select
        customer_id,
        channel,
        purpose,
        status,
        updated_at,
        -- Two answers at the same instant: the refusal counts ("denied" sorts before "granted").
        row_number() over (partition by customer_id, channel, purpose order by updated_at desc, status) as newest
    from {{source "consents"}}
    where updated_at < {{run_at}}
)

select customer_id, channel, purpose, status, updated_at
from ranked
where newest = 1
