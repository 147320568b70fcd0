-- Nothing was found: look again later. A message that moved on meanwhile has no such row any more.
update due d set at = u.at, absent = u.absent
from unnest($1::uuid[], $2::timestamptz[], $3::int2[]) as u(message, at, absent)
where d.message = u.message and d.kind = 3
