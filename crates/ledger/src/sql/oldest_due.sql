-- Age of the oldest due message of each lane; a lane without one has no row.
select l.lane as "lane!", extract(epoch from now() - d.at)::float8 as "age_secs!"
from unnest($1::int[]) as l(lane)
cross join lateral (
    select due.at from due where due.kind = 0 and due.lane = l.lane and due.at <= now() order by due.at limit 1
) d
