-- Claims due messages of all open lanes at once, at most $2 of each, oldest first. $3 is the earliest due time: it
-- keeps the index scan off the dead rows of earlier claims while an old snapshot is open. Deletes the due rows,
-- raises the epochs and writes one lease. `= any(array(...))`: a join would read a table whole that was empty when
-- analysed.
with candidate as (
    select d.message
    from unnest($1::int[], $2::int[], $3::timestamptz[]) as l(lane, n, floor)
    cross join lateral (
        select due.message from due
        where due.kind = 0 and due.lane = l.lane and due.at <= now() and due.at >= l.floor
        order by due.at limit l.n
        for no key update skip locked
    ) d
),
taken as (
    delete from due where message = any(array(select message from candidate)) returning message, at
),
claimed as (
    update message m set epoch = m.epoch + 1
    from (select message, at from taken order by message) t
    where m.id = t.message and m.state = 0 and m.paused_at is null
    returning m.id, m.request, m.company, m.account, m.medium, m.epoch, m.attempt, m.tries, m.first_due_at,
        t.at
),
leased as (
    insert into lease (id, worker, until, messages, epochs)
    select $4, $5, now() + make_interval(secs => $6), array_agg(id), array_agg(epoch) from claimed having count(*) > 0
)
select c.id, c.request, c.company, c.account as "account!", c.medium as "medium!", c.epoch, c.attempt, c.tries,
    c.first_due_at, c.at as "at!", now() as "now!",
    r.customer_name, r.customer_email, r.customer_phone, r.brand, r.language, r.test,
    case when r.source = 4 then r.details end as letter
from claimed c join request r on r.id = c.request
