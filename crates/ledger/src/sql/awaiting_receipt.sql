-- Which of these messages still await their last receipt.
select m.id, m.request, m.account as "account!", m.medium as "medium!", m.state, m.epoch, m.attempt, m.provider_id, m.resent, m.expires_at,
    coalesce(m.begun_at, now()) as "begun_at!", 0::int2 as "empty_polls!", now() as "now!", r.customer_email, r.customer_phone, r.test
from unnest($1::uuid[]) as u(id) join message m on m.id = u.id join request r on r.id = m.request
where m.state = 3
