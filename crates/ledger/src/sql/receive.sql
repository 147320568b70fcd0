-- Stores verified receipts, each once, and moves their messages. `map` is the transition table of the receipt's
-- signal, a byte per stored state. A receipt of any attempt counts. A known key with other content changes nothing.
-- Keys arrive sorted, so that locks are taken in one order; of two transactions that insert one key at once, the
-- later fails with 23505, is repeated, and then finds the key.
with u as (
    -- `offset 0` and the plain insert below: as in accept.sql.
    select n.*, r.key is null as fresh, r.content as known from (
        select unnest($1::uuid[]) as key, unnest($2::bytea[]) as content, unnest($3::int[]) as account, unnest($4::uuid[]) as message,
            unnest($5::int2[]) as attempt, unnest($6::text[]) as kind, unnest($7::text[]) as code, unnest($8::text[]) as provider_id,
            unnest($9::bytea[]) as map, unnest($10::int[]) as block_bit, unnest($11::bool[]) as looked_up,
            unnest($12::float8[]) as receipt_wait_secs) n
    left join lateral (select r.key, r.content from receipt r where r.key = n.key offset 0) r on true
),
kept as (
    insert into receipt (key, content, account, message, attempt, kind, code, looked_up)
    select key, content, account, message, attempt, kind, code, looked_up from u where fresh
),
best as (
    select distinct on (u.message) u.message, u.attempt, u.map, u.kind, u.code, u.provider_id, u.receipt_wait_secs
    from u where u.fresh and u.map is not null
    order by u.message, u.kind = 'delivered' desc, u.kind = 'failed' desc
),
moved as (
    update message m set
        previous_state = m.state,
        state = get_byte(b.map, m.state),
        may_have_been_sent = true,
        outcome = case when m.attempt = b.attempt then 0 else m.outcome end,
        provider_id = case when m.attempt = b.attempt then coalesce(m.provider_id, b.provider_id) else m.provider_id end,
        delivered_at = case when m.state <> 4 and get_byte(b.map, m.state) = 4 then now() else m.delivered_at end,
        reason = case get_byte(b.map, m.state) when m.state then m.reason when 6 then 'failed_at_provider' end,
        code = case get_byte(b.map, m.state) when m.state then m.code when 6 then b.code end,
        ended_at = case get_byte(b.map, m.state) when m.state then m.ended_at when 6 then now() end
    from best b
    where m.id = b.message and m.attempt >= b.attempt
        and (get_byte(b.map, m.state) <> m.state or m.outcome is distinct from 0)
    returning m.id, m.request, m.company, m.account, m.state, m.previous_state, b.receipt_wait_secs
),
unpolled as (
    delete from due where message = any(array(select id from moved where previous_state in (0, 2) and state <> previous_state))
),
-- The provider has it; its last receipt is awaited.
polled as (
    insert into receipt_poll (id, account, at, messages)
    select gen_random_uuid(), account, now() + make_interval(secs => min(receipt_wait_secs)), array_agg(id order by id)
    from moved where state = 3 and previous_state <> 3 and receipt_wait_secs is not null
    group by account
),
listed as (
    insert into ending (company, state, request) select company, state, request from moved where state = 6 and previous_state <> 6
),
blocked as (
    insert into block as b (address_hash, company, medium, kinds, source)
    select m.address_hash, m.company, m.medium, bit_or(u.block_bit), 'receipt'
    from u join message m on m.id = u.message
    where u.fresh and u.block_bit <> 0 and m.address_hash is not null and m.attempt >= u.attempt
    group by m.address_hash, m.company, m.medium
    order by m.address_hash
    on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source
)
select u.key as "key!", u.fresh as "fresh!", (u.known is distinct from u.content and not u.fresh) as "other_content!",
    moved.previous_state, moved.state
from u left join moved on moved.id = u.message
