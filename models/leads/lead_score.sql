/*---
description: >
  How promising each lead is, 0 to 100 in steps of ten: how well the company fits, and what the lead did, where every action
  counts half as much after each `lead_half_life_days`.
owner: sales@acme.example
key: lead_id
columns:
  lead_id: { type: string, tests: [not_null, unique] }
  score: { type: integer, tests: [not_null, { between: [0, 100] }] }
  grade: { type: string, tests: [{ accepted_values: [hot, warm, cold] }] }
---*/
with engagement as (
    select
        lead_id,
        max(happened_at) as last_seen_at,
        sum(
            case event
                when 'demo_request' then 40
                when 'pricing_view' then 15
                when 'webinar_attended' then 12
                when 'content_download' then 8
                when 'form_submitted' then 5
                else 0
            end
            * power(0.5, {{safe_divide (date_diff (run_date) "happened_at") (var "lead_half_life_days")}})
        ) as points
    from {{source "lead_events"}}
    where happened_at < {{run_at}}
    group by lead_id
),

scored as (
    select
        l.lead_id,
        e.last_seen_at,
        -- In steps of ten: a score that fades by a hair each night would send every lead to the CRM each night.
        cast(
            round(
                least(
                    100,
                    coalesce(e.points, 0)
                    + case when a.employees >= 50 then 20 when a.employees >= 10 then 10 else 0 end
                    + case when l.job_title in ('Owner', 'Head of operations', 'Buyer') then 15 else 0 end
                ) / 10
            ) * 10 as integer
        ) as score
    from {{source "leads"}} l
    left join {{source "accounts"}} a on a.account_id = l.account_id
    left join engagement e on e.lead_id = l.lead_id
    where l.created_at < {{run_at}}
)

select
    lead_id,
    last_seen_at,
    score,
    case
        when score >= {{var "lead_hot_from"}} then 'hot'
        when score >= {{var "lead_warm_from"}} then 'warm'
        else 'cold'
    end as grade
from scored
