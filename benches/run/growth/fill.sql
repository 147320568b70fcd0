-- Requests $2 to $3 - 1 that wait, as accept.sql writes them: copies of the one request $1 that Postrider
-- itself accepted for a later date, with ids, keys, customers and dates of their own. Due from $4 seconds
-- from now on, spread over $5 seconds. Ids are of an hour ago, so that all are less than the pattern's and
-- than those of requests that come later.
with hour_ago as (
    select (extract(epoch from now() - interval '1 hour') * 1000)::int8 as millis
),
made as materialized (
    select n,
        (lpad(to_hex(millis + n / 1000), 12, '0') || '7' || lpad(to_hex(n % 1000), 3, '0') || '8'
            || substr(md5('id' || n), 1, 15))::uuid as id,
        md5('idem' || n)::uuid as idempotency_hash,
        md5('content' || n)::uuid as content_hash,
        md5('slot' || n)::uuid as key,
        md5('addr' || n)::uuid as address_hash,
        now() + make_interval(secs => $4 + random() * $5) as due_at
    from hour_ago cross join generate_series($2::int8, $3::int8 - 1) n
),
requests as (
    insert into request (id, company, idempotency_hash, key_is_derived, content_hash, former_id_hash, original_request, recovery_hash, source, test,
        policy_version, customer_custom_id, customer_name, customer_email, customer_phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details,
        decision, created_at)
    select made.id, company, made.idempotency_hash, key_is_derived, made.content_hash, former_id_hash, original_request, recovery_hash, source, test,
        policy_version, customer_custom_id, 'Customer ' || n, customer_email, '+1416' || lpad(n::text, 7, '0'),
        employee_email, employee_custom_id, channel, brand, language, country, medium, (20000000 + n)::text,
        external_url, details, decision, created_at
    from request pattern cross join made where pattern.id = $1
),
messages as (
    insert into message (id, request, company, account, medium, address_hash, reservation_keys, state, epoch, reason, first_due_at,
        expires_at, ended_at)
    select made.id, made.id, company, account, medium, made.address_hash, array[made.key], state, epoch, reason, made.due_at,
        made.due_at + (expires_at - first_due_at), ended_at
    from message pattern cross join made where pattern.id = $1
),
contacts as (
    insert into reservation (key, request, asked_at, window_secs)
    select made.key, made.id, greatest(made.due_at, now()), window_secs
    from reservation pattern cross join made where pattern.request = $1
)
insert into due (message, kind, lane, at, expires_at)
select made.id, kind, lane, made.due_at, made.due_at + (expires_at - at)
from due pattern cross join made where pattern.message = $1
