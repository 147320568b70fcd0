-- Waiting messages that expired, paused ones too. Without locks: conclude.sql compares and sets.
select m.id, m.state, m.epoch, m.attempt, m.may_have_been_sent, m.expires_at, now() as "now!"
from (
    (select message from due where kind = 1 and at <= now() order by at limit $1)
    union all
    (select message from due where kind = 0 and expires_at <= now() order by expires_at limit $1)
    union all
    (select message from due where kind = 2 and expires_at <= now() order by expires_at limit $1)
) d join message m on m.id = d.message
