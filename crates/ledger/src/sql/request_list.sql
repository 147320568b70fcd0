-- One step of the list, newest first: reads $4 requests at most along (company, id) and returns those that pass the
-- filter, each with its decisive message. No index covers status, name or address: it would cost every accept and
-- settle. The first row says how far the step came.
with seen as materialized (
    select x.*, c.slug
    from (select id, slug from company where $1::int is null or id = $1) c
    cross join lateral (
        select r.id, r.customer_custom_id, r.customer_name, r.customer_email, r.customer_phone, r.employee_email,
            r.employee_custom_id, r.channel, r.brand, r.ext_interaction_id, r.details, r.source, r.test, r.created_at
        from request r
        where r.company = c.id and r.id < $2 and r.id >= $3
        order by r.id desc limit $4
    ) x
    order by x.id desc limit $4
),
fit as (
    select s.* from seen s
    -- Source 4: error alerts.
    where s.source <> 4 and (cardinality($5::text[]) = 0 or s.channel = any($5))
        and (cardinality($6::text[]) = 0 or s.brand = any($6))
        and ($7::text is null or lower(s.employee_email) = lower($7) or s.employee_custom_id = $7)
        and ($8::text is null or s.details -> 'tags' ? $8)
        and (cardinality($9::int2[]) = 0 or s.source = any($9))
        and ($10::timestamptz is null or s.created_at >= $10)
        and ($11::timestamptz is null or s.created_at < $11)
        and ($12::bool is null or s.test = $12)
        -- lower() of locale C folds ASCII only: it is applied to both sides, and $16 has the usual spellings of names.
        and ($13::text is null or lower(s.customer_email) = lower($13) or s.customer_phone = $14
            or s.customer_custom_id = $15 or s.ext_interaction_id = $15
            or exists (select 1 from unnest($16::text[]) n(name) where starts_with(lower(s.customer_name), lower(n.name))))
),
line as (
    select s.*, m.id as message, m.medium, m.state, m.reason, m.paused_at, m.begun_at, m.delivered_at, m.ended_at, m.first_due_at, m.may_have_been_sent,
        n.attempts, n.follow_ups
    from fit s
    cross join lateral (
        select u.* from (
            select o.* from message o where o.id = s.id
            union all
            select f.* from message f where f.request = s.id and f.seq > 0
        ) u
        order by get_byte($17::bytea, u.state) desc, u.seq desc limit 1
    ) m
    cross join lateral (
        select coalesce((select o.attempt from message o where o.id = s.id), 0) + coalesce(sum(f.attempt), 0) as attempts,
            count(*) filter (where (select t.message from retry t where t.message = f.id) is null) as follow_ups
        from message f where f.request = s.id and f.seq > 0
    ) n
    where (cardinality($18::int2[]) = 0 or m.state = any($18))
        and (cardinality($19::text[]) = 0 or m.reason = any($19))
        and (cardinality($20::int2[]) = 0 or m.medium = any($20))
        and ($21::bool is null or (m.paused_at is not null) = $21)
        and ($22::timestamptz is null or m.ended_at < $22)
    order by s.id desc limit $23
)
select now() as "now!", k.scanned as "scanned!", k.last as "last?", line.id as "id?", line.slug as "slug?", line.customer_name as "customer_name?",
    line.customer_email as "customer_email?", line.customer_phone as "customer_phone?",
    line.employee_email as "employee_email?", line.employee_custom_id as "employee_custom_id?", line.channel as "channel?",
    line.brand as "brand?", line.ext_interaction_id as "ext_interaction_id?", line.source as "source?", line.test as "test?",
    line.created_at as "created_at?", line.message as "message?", line.medium as "medium?", line.state as "state?", line.reason as "reason?",
    line.paused_at as "paused_at?", line.begun_at as "begun_at?", line.delivered_at as "delivered_at?",
    line.first_due_at as "first_due_at?", line.may_have_been_sent as "may_have_been_sent?", (select a.at from answer a where a.request = line.id) as "answered_at?", line.attempts as "attempts?", line.follow_ups as "follow_ups?"
from (select count(*) as scanned, (select id from seen order by id limit 1) as last from seen) k
left join line on true
order by line.id desc
