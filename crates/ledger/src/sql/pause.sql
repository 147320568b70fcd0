-- Pause: a message not begun is ours, and only its expiry is still watched. One that is begun keeps its
-- epoch, so that its outcome is written down, and is not tried again. Who paused it is on record.
with paused as (
    update message set paused_at = now(), epoch = epoch + (state = 0)::int
    where id = $1 and state in (0, 1, 2) and paused_at is null
    returning id, request, state, account, expires_at
),
watched as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 1, account, expires_at, expires_at from paused where state = 0
    on conflict (message) do update set kind = 1, at = excluded.at
),
noted as (
    insert into request_action (request, message, action, entry_point, api_key, requested_by, note)
    select request, id, 'paused', $2::text, $3::uuid, $4::text, $5::text from paused
)
select state from paused
