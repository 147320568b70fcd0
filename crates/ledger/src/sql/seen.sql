-- The twins of jobs whose key was seen: to tell the first answer again from a conflict.
select r.id, r.idem, r.content_hash, r.idem_made,
    (r.idem_made and r.created_at < now() - interval '24 hours') as "lapsed!",
    m.state, m.reason, r.decision
from request r join message m on m.id = r.id
where r.id = any($1::uuid[])
