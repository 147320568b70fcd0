-- Postpones status polls. A message that moved on has no such row any more. `kind >= 3`, not `= 3`: in a young
-- database the planner would read the partial index whole instead of the key.
update due d set at = u.at, empty_polls = u.empty_polls
from unnest($1::uuid[], $2::timestamptz[], $3::int2[]) as u(message, at, empty_polls)
where d.message = u.message and d.message = any($1::uuid[]) and d.kind >= 3
