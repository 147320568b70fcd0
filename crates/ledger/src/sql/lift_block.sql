-- Lift one kind of block; the others hold.
update block set kinds = kinds & ~$2::int, changed_at = now(), source = $3 where address_hash = $1 and kinds & $2::int <> 0
