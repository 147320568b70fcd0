-- Takes due notifications for $2 seconds, of connectors that are not in flight ($3), with the facts of their
-- interactions.
with due as (
    select n.key from notification n where n.done_at is null and n.due_at <= now()
        and (n.company::text || '/' || n.connector) <> all ($3::text[])
    order by n.due_at limit $1 for no key update skip locked
),
taken as (
    update notification n set due_at = now() + make_interval(secs => $2::float8), tries = n.tries + 1
    where n.key = any(array(select due.key from due))
    returning n.key, n.company, n.connector, n.name, n.body, n.job, n.tries, n.received_at
)
select t.key, t.company, t.connector, t.name, t.body, t.job, t.tries,
    (extract(epoch from now() - t.received_at))::float8 as "age_secs!",
    i.facts as "facts?", i.version as "version?"
from taken t
    left join lateral (select i.facts, i.version from interaction i where i.key = t.key offset 0) i on true
