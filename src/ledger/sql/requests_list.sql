-- The list, newest first: a cursor is the id before which to go on.
select r.id, r.customer_name, r.customer_email, r.customer_phone, r.employee_email, r.employee_custom_id, c.slug,
    m.medium, m.state, m.reason, m.attempt, m.paused_at, m.begun_at, m.delivered_at, m.first_due_at, m.reached, r.brand, r.channel,
    r.created_at,
    (select a.at from answer a where a.request = r.id) as "answered_at?",
    (select count(*) from message f where f.request = r.id and f.seq > 0) as "follow_ups!"
from request r join message m on m.id = r.id join company c on c.id = r.company
where r.source <> 3 and ($1::int is null or r.company = $1) and (cardinality($2::int2[]) = 0 or m.state = any($2))
    and ($3::uuid is null or r.id < $3)
order by r.id desc limit $4
