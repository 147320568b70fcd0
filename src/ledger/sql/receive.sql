-- Receipts, already verified: each counts once, and moves its message by the nine bytes it brings. A
-- receipt of any attempt of a message counts. The same notice with other content changes nothing.
with u as (
    select * from unnest($1::uuid[], $2::bytea[], $3::int[], $4::uuid[], $5::int2[], $6::text[], $7::text[], $8::text[],
        $9::bytea[], $10::int[], $11::bool[], $12::float8[])
    as t(key, content, account, message, attempt, kind, code, provider_id, map, block_bit, looked_up, watch_secs)
),
fresh as (
    insert into receipt (key, content, account, message, attempt, kind, code, looked_up)
    select key, content, account, message, attempt, kind, code, looked_up from u order by key
    on conflict (key) do nothing
    returning key
),
best as (
    select distinct on (u.message) u.message, u.attempt, u.map, u.kind, u.code, u.provider_id,
        u.watch_secs
    from u join fresh on fresh.key = u.key
    where u.map is not null
    order by u.message, u.kind = 'delivered' desc, u.kind = 'failed' desc
),
old as (
    select m.id, m.state, get_byte(b.map, m.state) as next, b.attempt, b.kind, b.code, b.provider_id,
        b.watch_secs
    from best b join message m on m.id = b.message
    where m.attempt >= b.attempt
    order by m.id for no key update of m
),
moved as (
    update message m set
        state = old.next,
        reached = true,
        outcome = case when m.attempt = old.attempt then 0 else m.outcome end,
        provider_id = case when m.attempt = old.attempt then coalesce(m.provider_id, old.provider_id) else m.provider_id end,
        delivered_at = case when old.next = 4 and old.state <> 4 then now() else m.delivered_at end,
        reason = case when old.next = old.state then m.reason when old.next = 6 then 'failed_at_provider' end,
        code = case when old.next = old.state then m.code when old.next = 6 then old.code end,
        ended_at = case when old.next = old.state then m.ended_at when old.next = 6 then now() end
    from old where m.id = old.id and (old.next <> old.state or m.outcome is distinct from 0)
    returning m.id, m.request, m.company, m.account, m.state, old.state as was, old.watch_secs
),
unwatched as (
    delete from due where message in (select id from moved where was in (0, 2) and state <> was)
),
-- Proved to be at the provider; its last receipt is awaited.
watched as (
    insert into watch (id, account, at, members)
    select gen_random_uuid(), account, now() + make_interval(secs => min(watch_secs)), array_agg(id order by id)
    from moved where state = 3 and was <> 3 and watch_secs is not null
    group by account
),
listed as (
    insert into ending (company, state, request) select company, state, request from moved where state = 6 and was <> 6
),
blocked as (
    insert into block as b (addr, company, medium, kinds, source)
    select m.addr, m.company, m.medium, bit_or(u.block_bit), 'receipt'
    from u join fresh on fresh.key = u.key join message m on m.id = u.message
    where u.block_bit <> 0 and m.addr is not null and m.attempt >= u.attempt
    group by m.addr, m.company, m.medium
    order by m.addr
    on conflict (addr) do update set kinds = b.kinds | excluded.kinds, at = now(), source = excluded.source
    returning addr
)
select u.key as "key!", (fresh.key is not null) as "fresh!",
    (fresh.key is null and r.content is distinct from u.content) as "other_content!",
    moved.was, moved.state
from u left join fresh on fresh.key = u.key
left join receipt r on r.key = u.key
left join moved on moved.id = u.message
