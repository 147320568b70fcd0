-- A person's retry: a new message of the request, due now, if every message still is in the state that was read ($4,
-- $5) and no other request asked the person within the suppression period. Two concurrent retries meet at the unique
-- number. Locks are taken as in accept.sql: messages, then reservations in key order, then due.
with known as (
    select m.id, m.state
    from (select $2::uuid as id union all select f.id from message f where f.request = $2 and f.seq > 0) u
    join message m on m.id = u.id
    order by m.id for no key update of m
),
fit as (
    select 1 as one
    where (select count(*) from known) = cardinality($4::uuid[])
        and (select count(*) from known k join unnest($4::uuid[], $5::int2[]) as u(id, state)
            on u.id = k.id and u.state = k.state) = cardinality($4::uuid[])
),
wanted as (
    select s.key, c.request as holder,
        coalesce(c.request <> $2 and c.asked_at > now() - make_interval(secs => $7::int), false) as lost
    from (select unnest($6::uuid[]) as key) s
    left join lateral (
        select c.request, c.asked_at from reservation c where c.key = s.key for no key update offset 0) c on true
    where (select one from fit) is not null
),
won as (select key from wanted where not exists (select 1 from wanted l where l.lost)),
reserved as (
    insert into reservation as c (key, request, asked_at, window_secs)
    select w.key, $2, now(), $7::int from won w order by w.key
    on conflict (key) do update set
        prior_request = case when c.request = excluded.request then c.prior_request else c.request end,
        prior_asked_at = case when c.request = excluded.request then c.prior_asked_at else c.asked_at end,
        request = excluded.request, asked_at = excluded.asked_at, window_secs = excluded.window_secs
        where c.request = excluded.request or excluded.window_secs is null
            or c.asked_at <= now() - make_interval(secs => excluded.window_secs)
    returning 1
),
written as (
    insert into message (id, request, seq, company, account, medium, address_hash, reservation_keys, state, first_due_at, expires_at)
    select $1, $2, $8::int2, $9::int, $10::int, $11::int2, $12::uuid, $6, 0, now(), now() + make_interval(secs => $13::float8)
    from fit where not exists (select 1 from wanted where lost)
    returning id, request, account, first_due_at, expires_at
),
recorded as (
    insert into retry (message, request, previous_message, entry_point, api_key, requested_by, note, acknowledged)
    select id, request, $3, $14::text, $18::uuid, $15::text, $16::text, $17::bool from written
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 0, account, first_due_at, expires_at from written
)
-- A transaction that won only some of the person's keys fails, is repeated, and then reads the other's rows.
select (select id from written) as "written?", (select one from fit) is not null as "fits!",
    (select holder from wanted where lost limit 1) as "holder?",
    fail_if_partial((select count(*) from reserved) < (select count(*) from won)) as "whole!"
