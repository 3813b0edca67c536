/*---
description: >
  One owner for each lead: of the team for its territory, and the same for all leads of a company. The owner is drawn by hash
  (the one whose hash with the company is lowest), so that a round robin needs no memory: it is even in the long run, the same
  every night, and when somebody leaves only their own companies move.
owner: sales@acme.example
key: lead_id
columns:
  lead_id: { type: string, tests: [not_null, unique] }
  territory: { type: string, tests: [{ accepted_values: [uk_ireland, europe, elsewhere] }] }
  owner: { type: string, tests: [not_null] }
---*/
with placed as (
    select
        l.lead_id,
        coalesce(a.account_id, l.lead_id) as company_id,
        case
            when a.country in ('GB', 'IE') then 'uk_ireland'
            when a.country in ('DE', 'FR', 'SE') then 'europe'
            else 'elsewhere'
        end as territory
    from {{source "leads"}} l
    left join {{source "accounts"}} a on a.account_id = l.account_id
    where l.created_at < {{run_at}}
),

drawn as (
    select
        p.lead_id,
        p.territory,
        t.owner,
        row_number() over (partition by p.lead_id order by md5(p.company_id || ':' || t.owner)) as place
    from placed p
    inner join {{ref "sales_team"}} t on t.territory = p.territory
)

select lead_id, territory, owner
from drawn
where place = 1
