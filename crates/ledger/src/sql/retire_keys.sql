-- Replaces derived idempotency hashes that are older than 24 h. Two workers can run this at once: the age is
-- compared again, and the unique index decides which new request gets the key.
update request set idempotency_hash = fresh.idempotency_hash
from unnest($1::uuid[], $2::uuid[]) as fresh(id, idempotency_hash)
where request.id = fresh.id and request.key_is_derived and request.created_at < now() - interval '24 hours'
