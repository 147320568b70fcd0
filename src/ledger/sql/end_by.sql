-- A person's act ends one message that nobody is sending: as `conclude` does it, and who did it is on record.
with old as (
    select m.id from message m where m.id = $1 and m.epoch = $2 and m.state = $3
    for no key update of m
),
ended as (
    update message m set state = $4::int2, reason = $5::text, ended_at = now(), epoch = m.epoch + 1
    from old where m.id = old.id
    returning m.id, m.request, m.company, m.state, m.slots, m.reached
),
listed as (
    insert into ending (company, state, request) select company, state, request from ended
),
given as (
    select give_back(array_agg(distinct e.request), array_agg(slot order by slot)) as n
    from ended e cross join unnest(e.slots) slot where not e.reached
    having count(*) > 0
),
gone as (
    delete from due where message in (select id from ended)
),
noted as (
    insert into act (request, message, act, door, key, requested_by, note)
    select request, id, $6::text, $7::text, $8::uuid, $9::text, $10::text from ended
)
-- `given` is read so that it runs: Postgres skips a SELECT that nobody asks.
select id, (select n from given) as given_back from ended
