-- Postpones receipt polls of batches to the messages that are left, or deletes them ($2 null).
with u as (select * from unnest($1::uuid[], $2::float8[], $3::int2[]) as t(id, wait_secs, polls)),
dropped as (
    delete from receipt_poll where id = any(array(select id from u where wait_secs is null))
)
update receipt_poll w set at = now() + make_interval(secs => u.wait_secs), polls = u.polls,
    messages = (
        select coalesce(array_agg(message order by message), '{}')
        from unnest(w.messages) message where message = any($4::uuid[]))
from u where w.id = u.id and w.id = any($1::uuid[]) and u.wait_secs is not null
