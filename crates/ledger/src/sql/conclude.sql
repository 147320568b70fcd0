-- Ends messages that are not being sent: compare-and-set on state and epoch, then their due rows go. With $6, the
-- record of a person's action is written too.
with u as (
    select * from unnest($1::uuid[], $2::int[], $3::int2[], $4::int2[], $5::text[]) as t(id, epoch, expected_state, next, reason)
),
old as (
    select m.id, u.next, u.reason from u join message m on m.id = u.id
    where m.epoch = u.epoch and m.state = u.expected_state
    order by m.id for no key update of m
),
ended as (
    update message m set state = old.next, reason = old.reason, ended_at = now(), epoch = m.epoch + 1
    from old where m.id = old.id
    returning m.id, m.request, m.company, m.state, m.reservation_keys, m.may_have_been_sent
),
listed as (
    insert into ending (company, state, request) select company, state, request from ended
),
released as (
    select release_reservations(array_agg(distinct e.request), array_agg(key order by key)) as n
    from ended e cross join unnest(e.reservation_keys) key where not e.may_have_been_sent
    having count(*) > 0
),
dropped as (
    delete from due where message = any(array(select id from ended))
),
recorded as (
    insert into request_action (request, message, action, entry_point, api_key, requested_by, note)
    select request, id, $6::text, $7::text, $8::uuid, $9::text, $10::text from ended where $6 is not null
)
-- `released` is read so that it runs: Postgres skips a SELECT in WITH that is not referenced.
select id, (select n from released) as released from ended
