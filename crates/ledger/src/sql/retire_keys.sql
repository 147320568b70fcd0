-- A hash-made key holds for 24 h: the old row gives its key up. Two workers may both come here; the
-- age is checked again, and the unique index decides who takes the key.
update request set idempotency_hash = fresh.idempotency_hash
from unnest($1::uuid[], $2::uuid[]) as fresh(id, idempotency_hash)
where request.id = fresh.id and request.key_is_derived and request.created_at < now() - interval '24 hours'
