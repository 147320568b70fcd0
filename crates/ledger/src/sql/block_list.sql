-- Blocks of a company, newest first. ($5, $6) is the cursor: only blocks before it.
select address_hash as id, medium, kinds, since, changed_at, source, note, address
from block
where company = $1 and ($2::uuid is null or address_hash = $2) and ($3::int2 is null or medium = $3)
    and kinds & (case when $4::int = 0 then -1 else $4::int end) <> 0
    and ($5::timestamptz is null or (since, address_hash) < ($5::timestamptz, $6::uuid))
order by since desc, address_hash desc limit $7
