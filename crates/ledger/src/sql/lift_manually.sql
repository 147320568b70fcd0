-- Reduces a block to these kinds; a block without any is deleted.
with gone as (
    delete from block where address_hash = $1 and $2::int = 0
)
update block set kinds = $2, changed_at = now(), source = $4, note = case when $3::bool then note end,
    address = case when $3::bool then address end
where address_hash = $1 and $2::int <> 0
