-- Messages of these requests that wait to be sent: the first of each, and what follows it.
select x.id as "id!", x.epoch as "epoch!", x.may_have_been_sent as "may_have_been_sent!"
from unnest($1::uuid[]) u(id) cross join lateral (
    select m.id, m.epoch, m.may_have_been_sent from message m where m.id = u.id and m.state = 0 offset 0) x
union all
select x.id, x.epoch, x.may_have_been_sent
from unnest($1::uuid[]) u(id) cross join lateral (
    select m.id, m.epoch, m.may_have_been_sent from message m where m.request = u.id and m.seq > 0 and m.state = 0 offset 0) x
