/*---
description: >
  Customers whose newest cart has been left for some hours, with nothing bought since. Stock and price are looked up again at
  the run's clock: nobody is called back for something that is sold out or has become dearer.
owner: retention@acme.example
key: customer_id
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  email: { type: string, tests: [not_null] }
  product: { type: string, tests: [not_null] }
  price_now: { type: string, tests: [not_null] }
  price_was: { type: string, description: NULL unless it has become cheaper }
  held_until: { type: timestamp, description: Until when the cart is kept, tests: [not_null] }
---*/
with carts as (
    select
        customer_id,
        product_id,
        happened_at as left_at,
        row_number() over (partition by customer_id order by happened_at desc, event_id desc) as newest
    from {{source "product_events"}}
    where event = 'add_to_cart'
        and happened_at < {{run_at}}
),

left_alone as (
    select *, {{timestamp_add "left_at" (var "cart_held_hours") "hour"}} as held_until
    from carts
    where newest = 1
        and {{timestamp_add "left_at" (var "cart_quiet_hours") "hour"}} <= {{run_at}}
),

last_order as (
    select customer_id, max(ordered_at) as ordered_at
    from {{source "orders"}}
    where ordered_at < {{run_at}}
    group by customer_id
)

select
    b.customer_id,
    c.email,
    coalesce(c.first_name, 'Hello') as greeting,
    s.name as product,
    -- As text, so that 17.5 reads 17.50.
    {{decimal_text "s.price" 2}} as price_now,
    case when s.price < t.price then {{decimal_text "t.price" 2}} end as price_was,
    b.held_until
from left_alone b
inner join {{ref "stg_customers"}} c on c.customer_id = b.customer_id
inner join {{ref "shelf"}} s on s.product_id = b.product_id and s.valid_until is null
inner join {{ref "shelf"}} t
    on t.product_id = b.product_id
    and t.valid_from <= b.left_at
    and (t.valid_until is null or t.valid_until > b.left_at)
left join last_order o on o.customer_id = b.customer_id and o.ordered_at >= b.left_at
left join {{ref "in_dunning"}} d on d.customer_id = b.customer_id
where b.held_until > {{run_at}}
    and s.stock > 0
    and s.price <= t.price
    and o.customer_id is null
    and d.customer_id is null
    and c.email is not null
