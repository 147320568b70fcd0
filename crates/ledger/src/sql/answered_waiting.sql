-- Waiting messages of these requests: the first message of each, and its follow-ups.
select x.id as "id!", x.epoch as "epoch!", x.may_have_been_sent as "may_have_been_sent!"
from unnest($1::uuid[]) u(id) cross join lateral (
    select m.id, m.epoch, m.may_have_been_sent from message m where m.id = u.id and m.state = 0 offset 0) x
union all
select x.id, x.epoch, x.may_have_been_sent
from unnest($1::uuid[]) u(id) cross join lateral (
    select m.id, m.epoch, m.may_have_been_sent from message m where m.request = u.id and m.seq > 0 and m.state = 0 offset 0) x
