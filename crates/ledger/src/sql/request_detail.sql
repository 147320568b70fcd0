-- One request, with a row for each of its messages.
select r.id, r.company, c.slug, r.source, r.test, r.customer_custom_id, r.customer_name,
    r.customer_email, r.customer_phone, r.employee_email, r.employee_custom_id, r.channel, r.brand, r.language,
    r.country, r.medium as asked_medium, r.ext_interaction_id, r.external_url, r.details, r.decision, r.created_at, r.original_request,
    m.id as "message!", m.seq as "seq!", m.medium as "medium?", a.name as "account?", m.reservation_keys as "reservation_keys!",
    m.state as "state!", m.epoch as "epoch!", m.attempt as "attempt!", m.may_have_been_sent as "may_have_been_sent!",
    m.first_due_at as "first_due_at!", m.expires_at as "expires_at!", m.paused_at as "paused_at?", m.begun_at as "begun_at?",
    m.settled_at as "settled_at?", m.delivered_at as "delivered_at?", m.ended_at as "ended_at?", m.outcome as "outcome?",
    m.code as "code?", m.reason as "reason?", m.provider_id as "provider_id?",
    t.previous_message as "retry_previous_message?", t.at as "retried_at?", t.entry_point as "retry_entry_point?", t.requested_by as "retry_by?", t.note as "retry_note?",
    t.acknowledged as "retry_acknowledged?", t.api_key as "retry_key?",
    (select d.at from due d where d.message = m.id) as "due_at?",
    (select n.at from answer n where n.request = r.id) as "answered_at?",
    now() as "now!"
from request r join company c on c.id = r.company
cross join lateral (
    select o.* from message o where o.id = r.id
    union all
    select f.* from message f where f.request = r.id and f.seq > 0
) m
left join account a on a.id = m.account
left join retry t on t.message = m.id
where r.id = $1
order by m.seq
