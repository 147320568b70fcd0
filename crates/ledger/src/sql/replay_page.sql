-- A page of a company's requests by id, each with its outcome, for a backtest. Alerts (source 4) are excluded.
select r.id, r.created_at, r.test, r.original_request, r.policy_version, r.customer_custom_id, r.customer_email,
    r.customer_phone, r.brand, r.channel, r.country, r.medium as asked_medium, r.decision,
    r.details -> 'manual' as "manual?",
    m.medium, m.state, m.reason, m.may_have_been_sent, m.begun_at, m.ended_at,
    case when m.attempt > 1 then array(
        select a.begun_at from attempt_past a where a.message = m.id and a.begun_at is not null order by a.attempt)
    else '{}' end as "earlier!",
    (select min(f.first_due_at) from message f where f.request = r.id and f.seq > 0) as "again_at?",
    (select case when bool_and(f.ended_at is not null and not f.may_have_been_sent) then max(f.ended_at) end
        from message f where f.request = r.id and f.seq > 0) as "again_ended_at?"
from request r join message m on m.id = r.id
where r.company = $1 and r.id > $2 and r.id < $3 and r.source <> 4
order by r.id limit $4
