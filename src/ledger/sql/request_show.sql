select r.id, r.company, c.slug, r.source, r.test, r.policy_version, r.customer_custom_id, r.customer_name,
    r.customer_email, r.customer_phone, r.employee_email, r.employee_custom_id, r.channel, r.brand, r.language,
    r.country, r.medium as asked_medium, r.ext_interaction_id, r.external_url, r.details, r.decision, r.created_at, r.root, r.former,
    m.medium, m.account, a.name as "account_name?", m.addr, m.slots, m.state, m.epoch, m.attempt, m.tries, m.reached, m.first_due_at,
    m.expires_at, m.paused_at, m.begun_at, m.settled_at, m.delivered_at, m.ended_at, m.outcome, m.code, m.reason,
    m.provider_id,
    (select d.at from due d where d.message = m.id) as "due_at?",
    (select d.kind from due d where d.message = m.id) as "due_kind?",
    (select a.at from answer a where a.request = r.id) as "answered_at?",
    now() as "now!"
from request r join message m on m.id = r.id join company c on c.id = r.company left join account a on a.id = m.account
where r.id = $1
