-- The twins of jobs whose key was seen: to tell the first answer again from a conflict.
select r.id, r.idempotency_hash, r.content_hash, r.key_is_derived,
    (r.key_is_derived and r.created_at < now() - interval '24 hours') as "lapsed!",
    m.state, m.reason, r.decision
from request r join message m on m.id = r.id
where r.id = any($1::uuid[])
