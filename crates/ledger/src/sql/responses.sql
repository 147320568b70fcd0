-- Responses by their keys.
select s.id, s.key, s.content_hash, s.answered_at, s.received_at
from unnest($1::uuid[]) u(key) join response s on s.key = u.key
