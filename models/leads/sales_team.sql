/*---
description: Who looks after which territory; whoever joins or leaves is added or removed here
owner: sales@acme.example
key: [territory, owner]
---*/
select 'uk_ireland' as territory, 'maya' as owner
union all select 'uk_ireland', 'tom'
union all select 'uk_ireland', 'farah'
union all select 'europe', 'jonas'
union all select 'europe', 'ines'
union all select 'elsewhere', 'wei'
