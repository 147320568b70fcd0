-- Quarantined messages, latest first.
select q.message, m.request, c.slug, a.name as "account?", m.medium, q.at, q.crashes, q.attempt, q.workers,
    q.released_at, m.state, m.expires_at, now() as "now!"
from quarantine q join message m on m.id = q.message join company c on c.id = q.company
    left join account a on a.id = q.account
where q.released_at is null and m.state = 0 and ($1::int is null or q.company = $1)
order by q.at desc limit $2
