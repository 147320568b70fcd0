-- Write outcomes down. Every row brings `transition` for its signal as nine bytes, indexed by the stored
-- state. Written only under the same epoch, but for proof of acceptance, which always counts. What is
-- to be tried again or watched gets its due row; what ends without ever having gone out gives its
-- reservations back. Where a receipt was faster, its code stays. Ids come sorted: rows are locked in that order.
with u as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as epoch, unnest($3::int2[]) as attempt, unnest($4::bytea[]) as map,
        unnest($5::int2[]) as outcome, unnest($6::text[]) as code, unnest($7::text[]) as reason, unnest($8::text[]) as provider_id,
        unnest($9::float8[]) as wait_secs, unnest($10::bool[]) as counts, unnest($11::bool[]) as proof,
        unnest($15::float8[]) as watch_secs
),
settled as (
    update message m set
        previous_state = m.state,
        state = get_byte(u.map, m.state),
        outcome = case when m.attempt = u.attempt and (m.outcome is null or u.outcome = 0) then u.outcome else m.outcome end,
        code = case when m.attempt = u.attempt and get_byte(u.map, m.state) <> m.state then u.code else m.code end,
        settled_at = case when m.attempt = u.attempt then now() else m.settled_at end,
        provider_id = case when m.attempt = u.attempt then coalesce(u.provider_id, m.provider_id) else m.provider_id end,
        -- An outcome whose writing was repeated counts once; one that a receipt overtook counts too.
        tries = m.tries + (u.counts and m.attempt = u.attempt and m.settled_at is null)::int,
        may_have_been_sent = m.may_have_been_sent or u.outcome in (0, 2),
        reason = case when get_byte(u.map, m.state) <> m.state then u.reason else m.reason end,
        ended_at = case when get_byte(u.map, m.state) = m.state then m.ended_at
            when get_byte(u.map, m.state) in (5, 6) then now() end
    from u where m.id = u.id and (m.epoch = u.epoch or u.proof)
    returning m.id, m.request, m.company, m.account, m.reservation_keys, m.state, m.previous_state, m.may_have_been_sent, m.paused_at,
        m.expires_at, u.wait_secs, u.watch_secs
),
-- A late proof finds the due row that was to watch its unknown.
unwatched as (
    delete from due where message = any(array(select id from settled where previous_state in (0, 2) and state <> previous_state))
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when state = 2 then 3 when paused_at is null then 0 else 1 end, account,
        case when state = 0 and paused_at is not null then expires_at
             else now() + make_interval(secs => wait_secs) end, expires_at
    from settled where previous_state = 1 and state in (0, 2)
    order by id
    on conflict (message) do nothing
),
-- What the provider took, and whose receipt is awaited: one row an account.
watched as (
    insert into receipt_poll (id, account, at, messages)
    select gen_random_uuid(), account, now() + make_interval(secs => min(watch_secs)), array_agg(id order by id)
    from settled where state = 3 and previous_state <> 3 and watch_secs is not null
    group by account
),
ended as (
    insert into ending (company, state, request) select company, state, request from settled
    where state in (5, 6) and previous_state <> state
),
given as (
    select release_reservations(array_agg(distinct s.request), array_agg(key order by key)) as n
    from settled s cross join unnest(s.reservation_keys) key
    where s.state in (5, 6) and s.previous_state <> s.state and not s.may_have_been_sent
    having count(*) > 0
),
blocked as (
    insert into block as b (address_hash, company, medium, kinds, source)
    select distinct on (m.address_hash) m.address_hash, m.company, m.medium, t.bit, 'provider'
    from unnest($12::uuid[], $13::int[]) as t(id, bit) join message m on m.id = t.id
    where m.address_hash is not null
    order by m.address_hash
    on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source
),
done as (
    delete from lease where id = any($14::uuid[])
)
-- `given` is read so that it runs: Postgres skips a SELECT that nobody asks.
select id, previous_state as "previous_state!", state, (select n from given) as given_back from settled
