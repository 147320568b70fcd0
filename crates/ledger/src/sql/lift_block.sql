-- Lifts one kind of a block; other kinds stay.
update block set kinds = kinds & ~$2::int, changed_at = now(), source = $3 where address_hash = $1 and kinds & $2::int <> 0
