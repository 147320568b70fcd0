-- What is blocked, the latest first: a cursor is the block before which to go on.
select addr as id, medium, kinds, since, at as changed_at, source, note, address
from block
where company = $1 and ($2::uuid is null or addr = $2) and ($3::int2 is null or medium = $3)
    and kinds & (case when $4::int = 0 then -1 else $4::int end) <> 0
    and ($5::timestamptz is null or (since, addr) < ($5::timestamptz, $6::uuid))
order by since desc, addr desc limit $7
