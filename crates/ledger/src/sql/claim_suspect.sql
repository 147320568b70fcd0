-- Claims the oldest poison suspect of these lanes for an exclusive trial; otherwise as claim.sql.
with candidate as (
    select due.message from due
    where due.kind = 2 and due.lane = any($1::int[]) and due.at <= now()
    order by due.at limit 1
    for no key update skip locked
),
taken as (
    delete from due where message = any(array(select message from candidate)) returning message, at
),
claimed as (
    update message m set epoch = m.epoch + 1
    from taken t
    where m.id = t.message and m.state = 0 and m.paused_at is null
    returning m.id, m.request, m.company, m.account, m.medium, m.epoch, m.attempt, m.tries, m.first_due_at,
        t.at
),
leased as (
    insert into lease (id, worker, until, messages, epochs)
    select $2, $3, now() + make_interval(secs => $4), array[id], array[epoch] from claimed
)
select c.id, c.request, c.company, c.account as "account!", c.medium as "medium!", c.epoch, c.attempt, c.tries,
    c.first_due_at, c.at as "at!", now() as "now!",
    r.customer_name, r.customer_email, r.customer_phone, r.brand, r.language, r.test,
    case when r.source = 4 then r.details end as letter
from claimed c join request r on r.id = c.request
