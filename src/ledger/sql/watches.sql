-- Batches whose receipts should have come by now. Each is put off by the time that a look may take.
with taken as (
    select id from watch where at <= now() order by at limit $1
    for no key update skip locked
)
update watch w set at = now() + make_interval(secs => $2)
from taken where w.id = taken.id
returning w.id, w.looks, w.members
