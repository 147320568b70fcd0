-- Pauses a message. A waiting message leaves its claim, and only its expiry stays due. A begun one keeps its epoch,
-- so that its outcome is still stored; it is not tried again.
with paused as (
    update message set paused_at = now(), epoch = epoch + (state = 0)::int
    where id = $1 and state in (0, 1, 2) and paused_at is null
    returning id, request, state, account, expires_at
),
expiring as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 1, account, expires_at, expires_at from paused where state = 0
    on conflict (message) do update set kind = 1, at = excluded.at
),
recorded as (
    insert into request_action (request, message, action, entry_point, api_key, requested_by, note)
    select request, id, 'paused', $2::text, $3::uuid, $4::text, $5::text from paused
)
select state from paused
