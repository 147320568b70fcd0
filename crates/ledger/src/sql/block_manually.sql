-- Blocks addresses manually, in key order. Returns all kinds in force over these addresses.
with wanted as (
    select unnest($4::uuid[]) as address_hash, unnest($5::int2[]) as medium, unnest($6::text[]) as address, unnest($7::text[]) as note
),
written as (
    insert into block as b (address_hash, company, medium, kinds, source, note, address)
    select address_hash, $1, medium, $2::int, $3, note, address from wanted
    -- A block without any kind left (lifted by START) counts as new: `since` moves.
    on conflict (address_hash) do update set kinds = b.kinds | excluded.kinds, changed_at = now(), source = excluded.source,
        note = excluded.note, address = excluded.address, since = case when b.kinds = 0 then now() else b.since end
    returning b.kinds
)
select coalesce(bit_or(kinds), 0) as "kinds!" from written
