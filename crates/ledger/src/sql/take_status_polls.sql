-- Takes due status polls of unknown attempts. Each is postponed by $2 seconds, so that a worker that dies delays its
-- polls and loses none.
with taken as (
    select message from due where kind = 3 and at <= now() order by at limit $1
    for no key update skip locked
),
kept as (
    update due set at = now() + make_interval(secs => $2)
    where message = any(array(select message from taken))
    returning message, empty_polls
)
select m.id, m.request, m.account as "account!", m.medium as "medium!", m.state, m.epoch, m.attempt, m.provider_id, m.resent, m.expires_at,
    coalesce(m.begun_at, now()) as "begun_at!", kept.empty_polls as "empty_polls!", now() as "now!", r.customer_email, r.customer_phone, r.test
from kept join message m on m.id = kept.message join request r on r.id = m.request
