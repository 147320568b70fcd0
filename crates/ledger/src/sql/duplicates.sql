-- Earlier requests with the same idempotency hash: tells a repeat from a conflict.
select r.id, r.idempotency_hash, r.content_hash, r.key_is_derived,
    (r.key_is_derived and r.created_at < now() - interval '24 hours') as "key_expired!",
    m.state, m.reason, r.decision
from request r join message m on m.id = r.id
where r.id = any($1::uuid[])
