-- Block addresses by hand, in key order; gives how many were not blocked by hand before.
with wanted as (
    select unnest($4::uuid[]) as addr, unnest($5::int2[]) as medium, unnest($6::text[]) as address, unnest($7::text[]) as note
),
known as (
    select count(*) as count from wanted w join block b on b.addr = w.addr where b.kinds & $2::int <> 0
),
written as (
    insert into block as b (addr, company, medium, kinds, source, note, address)
    select addr, $1, medium, $2, $3, note, address from wanted
    -- What was lifted whole by its customer (START) and is blocked again stands with the latest.
    on conflict (addr) do update set kinds = b.kinds | excluded.kinds, at = now(), source = excluded.source,
        note = excluded.note, address = excluded.address, since = case when b.kinds = 0 then now() else b.since end
    returning 1
)
select (select count(*) from written) - (select count from known) as "added!"
