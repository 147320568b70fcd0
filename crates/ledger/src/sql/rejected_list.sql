-- Rejected jobs, last seen first; of one company if $1 is given.
select j.id, c.slug as "company?", j.routing, j.source, j.received_at, j.last_seen_at, j.times, j.body_bytes,
    j.problems, j.replayed_at, j.replayed_as, j.test
from rejected_job j left join company c on c.id = j.company
where ($1::int is null or j.company = $1) and ($2 or j.replayed_at is null)
order by j.last_seen_at desc limit $3
