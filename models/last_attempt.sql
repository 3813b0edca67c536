/*---
description: Invoices that will be tried once more before the plan ends, of customers with a telephone
owner: billing@acme.example
key: invoice_id
columns:
  invoice_id: { type: string, tests: [not_null, unique] }
  phone: { type: string, tests: [not_null] }
  timezone: { type: string }
  retry_on: { type: date, tests: [not_null] }
---*/
select invoice_id, customer_id, phone, timezone, greeting, plan, amount, retry_on
from {{ref "payment_failed"}}
where attempt = 3
    and phone is not null
