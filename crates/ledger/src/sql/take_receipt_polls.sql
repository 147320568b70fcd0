-- Takes due receipt polls. Each is postponed by $2 seconds, the longest duration of a poll.
with taken as (
    select id from receipt_poll where at <= now() order by at limit $1
    for no key update skip locked
)
update receipt_poll set at = now() + make_interval(secs => $2)
where id = any(array(select id from taken))
returning id, polls, messages
