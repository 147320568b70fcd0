-- Hold the blocks of these addresses until the transaction ends, in key order; gives how many are by hand, and
-- of a single one what it is and says.
select count(*) filter (where kinds & $2::int <> 0) as "by_hand!", coalesce(bit_or(kinds), 0) as "kinds!",
    min(note) as note, min(source) as source
from (select kinds, note, source from block where address_hash = any($1::uuid[]) order by address_hash for update) held
