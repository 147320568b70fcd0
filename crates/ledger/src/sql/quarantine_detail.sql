-- One message that is or was quarantined.
select q.message, m.request, c.slug, a.name as "account?", m.medium, q.at, q.crashes, q.attempt, q.workers,
    q.released_at, m.state, m.expires_at, now() as "now!"
from quarantine q join message m on m.id = q.message join company c on c.id = q.company
    left join account a on a.id = q.account
where q.message = $1
