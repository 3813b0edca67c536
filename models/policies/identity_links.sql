/*---
description: >
  Which addresses, telephones and devices were seen with which account. Two accounts that share one are one person: they are
  written to once, count together under a cap, and one "leave me alone" holds for both.
owner: data@acme.example
key: [left_value, right_type, right_value, source]
columns:
  left_value: { type: string, tests: [not_null] }
  right_type: { type: string, tests: [{ accepted_values: [email, phone, device] }] }
  right_value: { type: string, tests: [not_null] }
---*/
with seen as (
    select customer_id, 'email' as kind, email as identifier, 'account' as source, joined_at as seen_at
    from {{ref "stg_customers"}}

    union all

    select customer_id, 'phone', phone, 'account', joined_at
    from {{ref "stg_customers"}}

    union all

    -- Some order with another address than the one they signed up with.
    select customer_id, 'email', lower(trim(email)), 'order', ordered_at
    from {{source "orders"}}
    where ordered_at < {{run_at}}

    union all

    select customer_id, 'device', device_id, 'visit', happened_at
    from {{source "product_events"}}
    where happened_at < {{run_at}}

    union all

    select lead_id, 'email', lower(trim(email)), 'lead', created_at
    from {{source "leads"}}
    where created_at < {{run_at}}
)

select
    'customer_id' as left_type,
    customer_id as left_value,
    kind as right_type,
    identifier as right_value,
    source,
    max(seen_at) as seen_at
from seen
where identifier <> ''
group by customer_id, kind, identifier, source
