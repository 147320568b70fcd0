-- Leases that ran out. A member that was not begun is provably unsent: due again under a new epoch. One
-- that was begun and has no outcome is unknown. A member that somebody claimed since is not ours.
with expired as (
    delete from lease where id in (
        select id from lease where until < now() order by until limit $1 for update skip locked)
    returning members, epochs
),
member as (
    select m.id, m.state
    from expired cross join unnest(expired.members, expired.epochs) as e(id, epoch)
    join message m on m.id = e.id
    where m.epoch = e.epoch and m.state in (0, 1)
    order by m.id for no key update of m
),
orphaned as (
    update message m set epoch = m.epoch + 1,
        state = case when m.state = 1 then 2 else 0 end,
        outcome = case when m.state = 1 then 2 else m.outcome end,
        code = case when m.state = 1 then 'worker_lost' else m.code end,
        reason = case when m.state = 1 then 'awaiting_proof' else m.reason end,
        settled_at = case when m.state = 1 then now() else m.settled_at end,
        reached = m.reached or m.state = 1,
        tries = m.tries + (m.state = 1)::int
    from member where m.id = member.id
    returning m.id, m.account, m.medium, m.state, m.paused_at, m.expires_at, m.begun_at
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when state = 2 then 3 when paused_at is null then 0 else 1 end, account,
        case when state = 2 then greatest(now(), begun_at + make_interval(secs => case medium when 1 then $3::float8 else $2::float8 end))
             when paused_at is not null then expires_at
             else now() end,
        expires_at
    from orphaned order by id
    on conflict (message) do nothing
)
select count(*) filter (where state = 0) as "unsent!", count(*) filter (where state = 2) as "unknown!" from orphaned
