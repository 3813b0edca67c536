/*---
description: Customers with blanks as NULL, addresses that can be written to, and telephone numbers in E.164
owner: data@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  first_name: { type: string, description: NULL when the customer gave none }
  email: { type: string, description: Lower case; NULL when blank or not an address }
  phone: { type: string, description: E.164; NULL when blank }
---*/
with tidied as (
    select
        *,
        lower(trim(email)) as tidy_email,
        replace(trim(phone), ' ', '') as tidy_phone
    from {{source "customers"}}
)

select
    customer_id,
    nullif(trim(first_name), '') as first_name,
    nullif(trim(last_name), '') as last_name,
    case when tidy_email like '%_@_%._%' and tidy_email not like '%@%@%' then tidy_email end as email,
    case
        when tidy_phone like '+%' then tidy_phone
        when tidy_phone like '0%' then '+44' || substr(tidy_phone, 2)
    end as phone,
    country,
    timezone,
    joined_at
from tidied
where joined_at < {{run_at}}
