-- Deletes leases; all messages of each are settled.
delete from lease where id = any($1::uuid[])
