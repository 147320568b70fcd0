-- Frees an unknown message to be sent again, once, because its provider has no trace of it: compare-and-set on state
-- and epoch.
with u as (select * from unnest($1::uuid[], $2::int[]) as t(id, epoch)),
old as (
    select m.id from u join message m on m.id = u.id
    where m.epoch = u.epoch and m.state = 2 and not m.resent and m.expires_at > now()
    order by m.id for no key update of m
),
freed as (
    update message m set state = 0, epoch = m.epoch + 1, resent = true
    from old where m.id = old.id
    returning m.id, m.account, m.paused_at, m.expires_at
),
due_now as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when paused_at is null then 0 else 1 end, account,
        case when paused_at is null then now() else expires_at end, expires_at
    from freed order by id
    on conflict (message) do update set kind = excluded.kind, at = excluded.at, empty_polls = 0
)
select id from freed
