-- Resume: the retry and give-up clocks stood still meanwhile; due now, or when it was first planned.
with resumed as (
    update message set paused_at = null, epoch = epoch + (state = 0)::int,
        first_due_at = case when first_due_at > now() then first_due_at else first_due_at + (now() - paused_at) end
    where id = $1 and state in (0, 1, 2) and paused_at is not null
    returning id, state, account, first_due_at, expires_at, attempt
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 0, account, case when attempt = 0 then greatest(now(), first_due_at) else now() end, expires_at
    from resumed where state = 0
    on conflict (message) do update set kind = 0, at = excluded.at
)
select state from resumed
