-- Write outcomes down. Every row brings `transition` for its signal as nine bytes, indexed by the stored
-- state. Written only under the same epoch, but for proof of acceptance, which always counts. What is
-- to be tried again or watched gets its due row; what ends without ever having gone out gives its
-- reservations back. Where a receipt was faster, its code stays.
with u as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as epoch, unnest($3::int2[]) as attempt, unnest($4::bytea[]) as map,
        unnest($5::int2[]) as outcome, unnest($6::text[]) as code, unnest($7::text[]) as reason, unnest($8::text[]) as provider_id,
        unnest($9::float8[]) as wait_secs, unnest($10::bool[]) as counts, unnest($11::bool[]) as proof,
        unnest($15::float8[]) as watch_secs
),
old as (
    select m.id, m.state, get_byte(u.map, m.state) as next, u.attempt, u.outcome, u.code, u.reason, u.provider_id,
        u.wait_secs, u.counts, u.watch_secs
    from u join message m on m.id = u.id
    where m.epoch = u.epoch or u.proof
    order by m.id for no key update of m
),
settled as (
    update message m set
        state = old.next,
        outcome = case when m.attempt = old.attempt and (m.outcome is null or old.outcome = 0) then old.outcome else m.outcome end,
        code = case when m.attempt = old.attempt and old.next <> old.state then old.code else m.code end,
        settled_at = case when m.attempt = old.attempt then now() else m.settled_at end,
        provider_id = case when m.attempt = old.attempt then coalesce(old.provider_id, m.provider_id) else m.provider_id end,
        -- An outcome whose writing was repeated counts once; one that a receipt overtook counts too.
        tries = m.tries + (old.counts and m.attempt = old.attempt and m.settled_at is null)::int,
        reached = m.reached or old.outcome in (0, 2),
        reason = case when old.next <> old.state then old.reason else m.reason end,
        ended_at = case when old.next <> old.state then case when old.next in (5, 6) then now() end else m.ended_at end
    from old where m.id = old.id
    returning m.id, m.request, m.company, m.account, m.slots, m.state, old.state as was, m.reached, m.paused_at,
        m.expires_at, old.wait_secs, old.watch_secs
),
-- A late proof finds the due row that was to watch its unknown.
unwatched as (
    delete from due where message in (select id from settled where was in (0, 2) and state <> was)
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, case when state = 2 then 3 when paused_at is null then 0 else 1 end, account,
        case when state = 0 and paused_at is not null then expires_at
             else now() + make_interval(secs => wait_secs) end, expires_at
    from settled where was = 1 and state in (0, 2)
    order by id
    on conflict (message) do nothing
),
-- What the provider took, and whose receipt is awaited: one row an account.
watched as (
    insert into watch (id, account, at, members)
    select gen_random_uuid(), account, now() + make_interval(secs => min(watch_secs)), array_agg(id order by id)
    from settled where state = 3 and was <> 3 and watch_secs is not null
    group by account
),
ended as (
    insert into ending (company, state, request) select company, state, request from settled
    where state in (5, 6) and was <> state
),
given as (
    select give_back(array_agg(distinct s.request), array_agg(slot order by slot)) as n
    from settled s cross join unnest(s.slots) slot
    where s.state in (5, 6) and s.was <> s.state and not s.reached
    having count(*) > 0
),
blocked as (
    insert into block as b (addr, company, medium, kinds, source)
    select distinct on (m.addr) m.addr, m.company, m.medium, t.bit, 'provider'
    from unnest($12::uuid[], $13::int[]) as t(id, bit) join message m on m.id = t.id
    where m.addr is not null
    order by m.addr
    on conflict (addr) do update set kinds = b.kinds | excluded.kinds, at = now(), source = excluded.source
),
done as (
    delete from lease where id = any($14::uuid[])
)
-- `given` is read so that it runs: Postgres skips a SELECT that nobody asks.
select id, was, state, (select n from given) as given_back from settled
