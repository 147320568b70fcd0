-- A customer's STOP or START text, once per text, with the block that it sets or lifts.
with fresh as (
    insert into receipt (key, content, account, kind) values ($1, $2, $3, $4)
    on conflict (key) do nothing
    returning key
),
blocked as (
    insert into block as b (address_hash, company, medium, kinds, source)
    select $5, $6, 1, $7, 'inbound' from fresh where $4 = 'stop'
    on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source
),
lifted as (
    update block set kinds = kinds & ~$7::int, changed_at = now(), source = 'inbound'
    from fresh where address_hash = $5 and $4 = 'start'
)
select count(*) as "fresh!" from fresh
