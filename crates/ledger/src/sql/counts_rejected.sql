-- Rejected jobs, oldest first.
select c.slug as "slug?", j.message_key, j.times, j.problems
from rejected_job j left join company c on c.id = j.company
order by j.received_at, j.id limit $1
