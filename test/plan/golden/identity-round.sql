select id, mod(least(min(neighbour), (mod(mod(id * 182605794 + 1, 2147483647) * mod(id * 182605794 + 1, 2147483647), 2147483647) * 2147483648 + id)), 2147483648) as root
from (
  select a as id, (mod(mod(b * 182605794 + 1, 2147483647) * mod(b * 182605794 + 1, 2147483647), 2147483647) * 2147483648 + b) as neighbour from graph_1
  union all
  select b, (mod(mod(a * 182605794 + 1, 2147483647) * mod(a * 182605794 + 1, 2147483647), 2147483647) * 2147483648 + a) from graph_1
) ends group by id

select distinct least(l.root, r.root) as a, greatest(l.root, r.root) as b
from graph_1 g join choice_1 l on l.id = g.a join choice_1 r on r.id = g.b
where l.root <> r.root
