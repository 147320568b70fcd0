-- Locks the blocks of these addresses in key order. Returns how many are manual ($2 is the bit), and of a single one
-- its kinds, note and source.
select count(*) filter (where kinds & $2::int <> 0) as "manual!", coalesce(bit_or(kinds), 0) as "kinds!",
    min(note) as note, min(source) as source
from (select kinds, note, source from block where address_hash = any($1::uuid[]) order by address_hash for update) held
