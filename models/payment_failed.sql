/*---
description: >
  Invoices whose latest attempt failed and that will be tried again, one row per failed attempt: each attempt is a message of
  its own. A service message, which the contract allows: the consent it needs comes with the terms.
owner: billing@acme.example
key: [invoice_id, attempt]
columns:
  invoice_id: { type: string, tests: [not_null, unique] }
  attempt: { type: integer, tests: [not_null, { between: [1, 4] }] }
  email: { type: string, tests: [not_null] }
  retry_on: { type: date, description: "The day of the next attempt, when the message is out of date", tests: [not_null] }
---*/
with attempts as (
    select
        *,
        row_number() over (partition by invoice_id order by attempt desc) as newest
    from {{source "payments"}}
    where attempted_at < {{run_at}}
)

select
    p.invoice_id,
    p.attempt,
    p.customer_id,
    p.subscription_id,
    c.email,
    c.phone,
    c.timezone,
    coalesce(c.first_name, 'Hello') as greeting,
    s.plan,
    p.amount,
    case p.failure_reason
        when 'card_expired' then 'your card has expired'
        when 'insufficient_funds' then 'your bank reported insufficient funds'
        else 'your bank declined it'
    end as because,
    case p.attempt
        when 1 then 'We will try again in three days.'
        when 2 then 'We will try again in two days.'
        else 'We will try once more in two days, and must end the plan if that fails.'
    end as next_step,
    {{date_add "cast(p.attempted_at as date)" "case p.attempt when 1 then 3 else 2 end" "day"}} as retry_on
from attempts p
inner join {{source "subscriptions"}} s on s.subscription_id = p.subscription_id
inner join {{ref "stg_customers"}} c on c.customer_id = p.customer_id
where p.newest = 1
    and p.status = 'failed'
    and s.status = 'past_due'
    and c.email is not null
