-- One rejected job with its bytes.
select j.id, c.slug as "company?", j.routing, j.source, j.message_key, j.received_at, j.last_seen_at, j.times, j.body,
    j.body_bytes, j.body_sha256, j.problems, j.replayed_at, j.replayed_as, j.test
from rejected_job j left join company c on c.id = j.company
where j.id = $1 and ($2::int is null or j.company = $2)
