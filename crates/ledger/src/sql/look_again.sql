-- Nothing was found: look again later. A message that moved on meanwhile has no such row any more. (`>= 3`
-- and not `= 3`: on a young database the partial index would be read whole instead of the key.)
update due d set at = u.at, empty_polls = u.empty_polls
from unnest($1::uuid[], $2::timestamptz[], $3::int2[]) as u(message, at, empty_polls)
where d.message = u.message and d.message = any($1::uuid[]) and d.kind >= 3
