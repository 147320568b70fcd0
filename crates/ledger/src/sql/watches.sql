-- Batches whose receipts should have come by now. Each is put off by the time that a look may take.
with taken as (
    select id from receipt_poll where at <= now() order by at limit $1
    for no key update skip locked
)
update receipt_poll set at = now() + make_interval(secs => $2)
where id = any(array(select id from taken))
returning id, polls, messages
