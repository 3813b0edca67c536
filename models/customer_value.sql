/*---
description: >
  How often, how recently and for how much each customer buys; the chance that they are still a customer (BG/NBD); and a
  proxy of their lifetime value with the tier that follows from it. Everyone who ever ordered has a row.
owner: data@acme.example
key: customer_id
materialised: table
columns:
  customer_id: { type: string, tests: [not_null, unique] }
  repeats: { type: integer, description: "x: days with a purchase after the first", tests: [{ between: [0, 5000] }] }
  recency_weeks: { type: number, description: "t_x: weeks from the first purchase to the last" }
  age_weeks: { type: number, description: "T: weeks from the first purchase to tonight" }
  p_alive: { type: number, tests: [not_null, { between: [0, 1] }] }
  ltv: { type: number, description: GBP earned so far and expected within a year, tests: [not_null] }
  tier: { type: string, tests: [{ accepted_values: [gold, silver, bronze] }] }
---*/
-- P(alive) in closed form: Fader, Hardie and Lee, "Counting Your Customers the Easy Way", Marketing Science 24(2), 2005, and
-- Fader and Hardie's note on computing P(alive) with the BG/NBD model (2008). A customer without a repeat purchase is alive
-- by the model's assumption: one drops out only after a repeat purchase.
with shopping_days as (
    select customer_id, ordered_on, sum(net_amount) as spent
    from {{ref "stg_orders"}}
    group by customer_id, ordered_on
),

history as (
    select
        customer_id,
        count(*) - 1 as repeats,
        min(ordered_on) as first_order_on,
        max(ordered_on) as last_order_on,
        {{safe_divide (date_diff "max(ordered_on)" "min(ordered_on)") 7}} as recency_weeks,
        {{safe_divide (date_diff (run_date) "min(ordered_on)") 7}} as age_weeks,
        sum(spent) as revenue
    from shopping_days
    group by customer_id
),

alive as (
    select
        *,
        case
            when repeats = 0 then 1.0
            else 1.0 / (
                1.0
                + ({{var "bgnbd_a"}} / ({{var "bgnbd_b"}} + repeats - 1))
                * power(
                    ({{var "bgnbd_alpha"}} + age_weeks) / ({{var "bgnbd_alpha"}} + recency_weeks),
                    {{var "bgnbd_r"}} + repeats
                )
            )
        end as p_alive,
        -- Mean of the purchase rate's posterior, for somebody alive throughout: an overestimate that p_alive tempers.
        ({{var "bgnbd_r"}} + repeats) / ({{var "bgnbd_alpha"}} + age_weeks) as orders_per_week
    from history
),

valued as (
    select *, revenue + p_alive * orders_per_week * 52 * revenue / (repeats + 1) as ltv
    from alive
)

select
    customer_id,
    repeats,
    first_order_on,
    last_order_on,
    recency_weeks,
    age_weeks,
    revenue,
    p_alive,
    ltv,
    case
        when ltv >= {{var "gold_from"}} then 'gold'
        when ltv >= {{var "silver_from"}} then 'silver'
        else 'bronze'
    end as tier
from valued
