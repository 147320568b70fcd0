-- State of each request, oldest first.
select r.id, r.idempotency_hash, c.slug, a.name as "account?", m.state, m.reason, m.attempt
from request r join message m on m.id = r.id join company c on c.id = r.company
    left join account a on a.id = m.account
order by r.id limit $1
