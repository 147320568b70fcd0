-- Rejected jobs of a company, newest first. $2 is a problem that the job must have; $5 is the cursor: only ids below
-- it.
select j.id, c.slug as "company?", j.routing, j.source, j.received_at, j.last_seen_at, j.times, j.body_bytes,
    j.problems, j.replayed_at, j.replayed_as, j.test
from rejected_job j left join company c on c.id = j.company
where j.company = $1 and ($2::jsonb is null or j.problems @> $2) and ($3::timestamptz is null or j.last_seen_at >= $3)
    and ($4 or j.replayed_at is null) and ($5::uuid is null or j.id < $5)
order by j.id desc limit $6
