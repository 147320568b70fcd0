-- End messages that nobody is sending: compare-and-set on state and epoch, then their due rows go.
with u as (
    select * from unnest($1::uuid[], $2::int[], $3::int2[], $4::int2[], $5::text[]) as t(id, epoch, was, next, reason)
),
old as (
    select m.id, u.next, u.reason from u join message m on m.id = u.id
    where m.epoch = u.epoch and m.state = u.was
    order by m.id for no key update of m
),
ended as (
    update message m set state = old.next, reason = old.reason, ended_at = now(), epoch = m.epoch + 1
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
)
-- `given` is read so that it runs: Postgres skips a SELECT that nobody asks.
select id, (select n from given) as given_back from ended
