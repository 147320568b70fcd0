-- Resumes a paused message: the retry and give-up clocks stood still meanwhile. Due now, or at its first planned
-- time. A quarantined message returns as a poison suspect, to be tried exclusively.
with resumed as (
    update message set paused_at = null, epoch = epoch + (state = 0)::int,
        lease_expiries = least(lease_expiries, $2::int2),
        reason = case when reason is distinct from 'quarantined' then reason end,
        first_due_at = case when first_due_at > now() then first_due_at else first_due_at + (now() - paused_at) end
    where id = $1 and state in (0, 1, 2) and paused_at is not null
    returning id, request, state, account, first_due_at, expires_at, attempt, lease_expiries
),
released as (
    update quarantine set released_at = now()
    where message in (select id from resumed) and released_at is null
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when lease_expiries >= $2 then 2 else 0 end, account,
        case when attempt = 0 then greatest(now(), first_due_at) else now() end, expires_at
    from resumed where state = 0
    on conflict (message) do update set kind = excluded.kind, at = excluded.at
),
recorded as (
    insert into request_action (request, message, action, entry_point, api_key, requested_by, note)
    select request, id, 'resumed', $3::text, $4::uuid, $5::text, $6::text from resumed
)
select state from resumed
