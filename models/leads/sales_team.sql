/*---
description: Who looks after which territory; whoever joins or leaves is added or removed here
owner: sales@acme.example
key: [territory, owner]
---*/
select territory, owner
from (
    values
        ('uk_ireland', 'maya'),
        ('uk_ireland', 'tom'),
        ('uk_ireland', 'farah'),
        ('europe', 'jonas'),
        ('europe', 'ines'),
        ('elsewhere', 'wei')
) as team (territory, owner)
