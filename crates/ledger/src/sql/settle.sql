-- Stores outcomes. `map` is the transition table of the outcome's signal, a byte per stored state. A row is written
-- under its epoch only, except a proof of acceptance, which always counts. A message that is tried again or polled
-- gets its due row; one that ends without having been sent releases its reservations. The code of an earlier receipt
-- stays. Ids arrive sorted, so that rows are locked in one order.
with u as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as epoch, unnest($3::int2[]) as attempt, unnest($4::bytea[]) as map,
        unnest($5::int2[]) as outcome, unnest($6::text[]) as code, unnest($7::text[]) as reason, unnest($8::text[]) as provider_id,
        unnest($9::float8[]) as wait_secs, unnest($10::bool[]) as counts_as_try, unnest($11::bool[]) as is_acceptance,
        unnest($15::float8[]) as receipt_wait_secs
),
settled as (
    update message m set
        previous_state = m.state,
        state = get_byte(u.map, m.state),
        outcome = case when m.attempt = u.attempt and (m.outcome is null or u.outcome = 0) then u.outcome else m.outcome end,
        code = case when m.attempt = u.attempt and get_byte(u.map, m.state) <> m.state then u.code else m.code end,
        settled_at = case when m.attempt = u.attempt then now() else m.settled_at end,
        provider_id = case when m.attempt = u.attempt then coalesce(u.provider_id, m.provider_id) else m.provider_id end,
        -- A repeated write counts once; an outcome that a receipt overtook counts too.
        tries = m.tries + (u.counts_as_try and m.attempt = u.attempt and m.settled_at is null)::int,
        may_have_been_sent = m.may_have_been_sent or u.outcome in (0, 2),
        reason = case when get_byte(u.map, m.state) <> m.state then u.reason else m.reason end,
        ended_at = case when get_byte(u.map, m.state) = m.state then m.ended_at
            when get_byte(u.map, m.state) in (5, 6) then now() end
    from u where m.id = u.id and (m.epoch = u.epoch or u.is_acceptance)
    returning m.id, m.request, m.company, m.account, m.reservation_keys, m.state, m.previous_state, m.may_have_been_sent, m.paused_at,
        m.expires_at, u.wait_secs, u.receipt_wait_secs
),
-- A late proof ends the polls of its unknown attempt.
unpolled as (
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
-- Accepted messages that await a receipt: one row per account.
polled as (
    insert into receipt_poll (id, account, at, messages)
    select gen_random_uuid(), account, now() + make_interval(secs => min(receipt_wait_secs)), array_agg(id order by id)
    from settled where state = 3 and previous_state <> 3 and receipt_wait_secs is not null
    group by account
),
ended as (
    insert into ending (company, state, request) select company, state, request from settled
    where state in (5, 6) and previous_state <> state
),
released as (
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
-- `released` is read so that it runs: Postgres skips a SELECT in WITH that is not referenced.
select id, previous_state as "previous_state!", state, (select n from released) as released from settled
