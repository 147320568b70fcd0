-- Lift one kind of block; the others hold.
update block set kinds = kinds & ~$2::int, at = now(), source = $3 where addr = $1 and kinds & $2::int <> 0
