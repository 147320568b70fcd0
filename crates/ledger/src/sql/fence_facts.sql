-- Facts that the fence compares, for messages that begin.sql did not return.
select m.id, u.epoch as "asked_epoch!", m.request, m.state, (m.epoch = u.epoch) as "epoch_is_ours!", (m.paused_at is not null) as "paused!",
    coalesce((select b.kinds from block b where b.address_hash = m.address_hash), 0) as "block_bits!",
    (select a.request from answer a where a.request = m.request) is not null as "answered!",
    (m.id <> m.request and coalesce(
        (select o.state from message o
            where o.id = (select t.request from retry t where t.message = m.id) and o.state in (3, 4)),
        (select max(o.state) from message o
            where o.request = (select t.request from retry t where t.message = m.id) and o.seq > 0 and o.state in (3, 4)),
        0) > 0) as "superseded!",
    not exists (
        select 1 from unnest(m.reservation_keys) s(key)
        where (select c.request from reservation c where c.key = s.key) is distinct from m.request) as "holds_reservations!",
    m.expires_at, m.attempt, m.may_have_been_sent, now() as "now!"
from unnest($1::uuid[], $2::int[]) as u(id, epoch) join message m on m.id = u.id
