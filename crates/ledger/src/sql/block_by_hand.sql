-- Block addresses by hand, in key order; gives every kind that holds of any of them then: of a single one what
-- it is.
with wanted as (
    select unnest($4::uuid[]) as addr, unnest($5::int2[]) as medium, unnest($6::text[]) as address, unnest($7::text[]) as note
),
written as (
    insert into block as b (addr, company, medium, kinds, source, note, address)
    select addr, $1, medium, $2::int, $3, note, address from wanted
    -- What was lifted whole by its customer (START) and is blocked again stands with the latest.
    on conflict (addr) do update set kinds = b.kinds | excluded.kinds, at = now(), source = excluded.source,
        note = excluded.note, address = excluded.address, since = case when b.kinds = 0 then now() else b.since end
    returning b.kinds
)
select coalesce(bit_or(kinds), 0) as "kinds!" from written
