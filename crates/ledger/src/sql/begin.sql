-- Writes attempts just before their calls. The WHERE clause of `mine` is the fence: a message that is canceled,
-- paused, blocked, answered, expired, claimed again or without its reservations is not returned. Locks are taken in
-- key order. The earlier attempt moves to attempt_past, and the lease is renewed for the call. A reservation that is
-- older than a minute counts from now: only such a one can have been overtaken, so its row is won by
-- compare-and-set, and a concurrent successor that commits first makes this message fail the fence.
with mine as (
    select m.id, m.epoch, m.request, m.reservation_keys, m.attempt, m.begun_at, m.settled_at, m.outcome, m.code, m.provider_id
    from unnest($1::uuid[], $2::int[]) as u(id, epoch)
    join message m on m.id = u.id
    where m.epoch = u.epoch and m.state = 0 and m.paused_at is null and m.expires_at > now()
        and coalesce((select b.kinds from block b where b.address_hash = m.address_hash), 0) = 0
        and (select a.request from answer a where a.request = m.request) is null
        -- For a person's retry: no earlier message turned out to be sent. Skipped for first messages.
        and (m.id = m.request or coalesce(
            (select o.state from message o
                where o.id = (select t.request from retry t where t.message = m.id) and o.state in (3, 4)),
            (select max(o.state) from message o
                where o.request = (select t.request from retry t where t.message = m.id) and o.seq > 0 and o.state in (3, 4)),
            0) = 0)
        and not exists (
            select 1 from unnest(m.reservation_keys) s(key)
            where (select c.request from reservation c where c.key = s.key) is distinct from m.request)
    order by m.id for no key update of m
),
aside as (
    insert into attempt_past (message, attempt, begun_at, settled_at, outcome, code, provider_id)
    select id, attempt, begun_at, settled_at, outcome, code, provider_id from mine where attempt > 0
    on conflict do nothing
),
late_reservation as (
    select mine.id, mine.request, s.key from mine cross join unnest(mine.reservation_keys) s(key)
    where (select c.asked_at from reservation c where c.key = s.key) < now() - interval '1 minute'
),
late as (
    update reservation c set asked_at = now() from (select * from late_reservation order by key) l
    where c.key = l.key and c.request = l.request
    returning c.key
),
overtaken as (
    select l.id from late_reservation l where l.key not in (select late.key from late)
),
begun as (
    update message m set state = 1, attempt = m.attempt + 1, begun_at = now(), settled_at = null,
        outcome = null, code = null, reason = null, provider_id = null,
        lease_expiries = 0
    from mine where m.id = mine.id and mine.id not in (select o.id from overtaken o)
    returning m.id, m.epoch, m.attempt
),
renewed as (
    update lease set until = greatest(until, now() + make_interval(secs => $3)) where id = any($4::uuid[])
)
-- With the epoch, because the batch may hold an older claim of the same message.
select id, epoch, attempt from begun
